"""Bases of someone else's in the training programs: they learn in their own chat template."""

from pathlib import Path
from typing import Any

import pytest
import torch

from alignment.programs import DpoConfig, RewardConfig, SftConfig
from alignment.training import dpo, reward, sft
from alignment.training.inputs import preference_row, sft_rows
from annotation.records import write_records
from pretrain.checkpoint_folder import load_causal_lm, save_checkpoint_folder
from pretrain.encoders import encoder_for
from pretrain.run import ProgramError, RunFolder
from tests.alignment.training.factories import (
    WORDS,
    make_model,
    make_optimizer,
    make_preferences,
    make_sft_examples,
    read_config,
)
from tests.pretrain.foreign_folders import FAMILIES, family, make_foreign_folder


def make_foreign_base(folder: Path, name: str) -> Path:
    """A tiny model with a family's tokenizer and template."""
    texts = [" ".join(WORDS)] * 20
    tokenizer = make_foreign_folder(folder / f"{name}-tokenizer", family(name), texts)
    save_checkpoint_folder(make_model(encoder_for(tokenizer).vocabulary_size), tokenizer, folder / name)
    return folder / name


def training(base: Path, train: Path, folder: Path) -> dict[str, Any]:  # Any: a config's fields
    return {
        "initial": base,
        "train": train,
        "out": folder / "checkpoint",
        "optimizer": make_optimizer(),
        "seed": 1,
    }


@pytest.mark.parametrize("name", ["chatml", "mistral"])
def test_sft_learns_ten_examples_by_heart(tmp_path: Path, name: str) -> None:
    base = make_foreign_base(tmp_path, name)
    examples = make_sft_examples(10)
    write_records(tmp_path / "train.jsonl", examples)
    sft.run(SftConfig(**training(base, tmp_path / "train.jsonl", tmp_path)), RunFolder(tmp_path))
    model = load_causal_lm(tmp_path / "checkpoint")
    encoder = encoder_for(tmp_path / "checkpoint")
    assert read_config(tmp_path / "checkpoint")["eos_token_id"] == list(encoder.stop_ids)
    for example in examples:
        (row,) = sft_rows(example, encoder)
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([row.context + row.responses[0]])).logits[0]
        assert logits.argmax(-1)[len(row.context) - 1 : -1].tolist() == row.responses[0]


def test_dpo_and_a_reward_model_tell_answers_apart(tmp_path: Path) -> None:
    base = make_foreign_base(tmp_path, "gemma")
    train = tmp_path / "train.jsonl"
    write_records(train, make_preferences(10))
    dpo.run(DpoConfig(**training(base, train, tmp_path)), RunFolder(tmp_path / "dpo"))
    result = RunFolder(tmp_path / "dpo").read_result()
    assert result is not None
    assert result["accuracy"] == 1.0
    reward.run(RewardConfig(**training(base, train, tmp_path), holdout=train), RunFolder(tmp_path / "reward"))
    result = RunFolder(tmp_path / "reward").read_result()
    assert result is not None
    assert result["holdout"]["accuracy"] == 1.0


@pytest.mark.parametrize("name", [kind.name for kind in FAMILIES])
def test_only_what_ends_a_response_is_of_the_dialogs_form(tmp_path: Path, name: str) -> None:
    encoder = encoder_for(make_foreign_folder(tmp_path, family(name)))
    (record,) = make_preferences(1)
    row = preference_row(record, encoder)
    assert all(mask[-1] and not all(mask) for mask in row.format_masks)


def test_a_tool_call_that_the_template_cannot_write_is_refused_with_its_line(tmp_path: Path) -> None:
    base = make_foreign_base(tmp_path, "llama")
    (example,) = make_sft_examples(1)
    call = {"role": "assistant", "content": "go()", "tool_call": True}
    write_records(
        tmp_path / "train.jsonl", [type(example).model_validate({**example.model_dump(), "turn": [call]})]
    )
    with pytest.raises(ProgramError, match=r"train\.jsonl, line 1: the chat .* leave tool_call out"):
        sft.run(SftConfig(**training(base, tmp_path / "train.jsonl", tmp_path)), RunFolder(tmp_path))
