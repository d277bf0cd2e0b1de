"""What the tests of training are made of: a tiny base, records in a few words, and how a program is run."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from transformers.models.llama.configuration_llama import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaForCausalLM

from alignment.programs import OptimizerConfig
from alignment.records import SftExample
from alignment.training.rows import Row
from annotation.records import PreferenceRecord, write_records
from pretrain.checkpoint_folder import save_checkpoint_folder
from pretrain.dialog import DialogEncoder
from pretrain.run import ProgramConfig, RunFolder
from pretrain.tokenizer import train_tokenizer

REPOSITORY = Path(__file__).parents[3]
WORDS = ("red", "blue", "green", "stone", "river", "bird", "seven", "nine", "quiet", "loud")
VOCABULARY = 320


def make_tokenizer(folder: Path, texts: Iterable[str] = WORDS) -> Path:
    """A tokenizer folder with the dialog protocol's tokens."""
    folder.mkdir(parents=True, exist_ok=True)
    sentences = [" ".join(texts), "user assistant system"] * 20
    train_tokenizer(sentences, VOCABULARY).save(str(folder / "tokenizer.json"))
    return folder


def make_model(
    vocabulary: int = VOCABULARY, *, seed: int = 0, width: int = 32, layers: int = 2
) -> LlamaForCausalLM:
    """A tiny Llama with grouped-query attention."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        rope_parameters={"rope_type": "default", "rope_theta": 500_000.0},
        tie_word_embeddings=False,
        initializer_range=0.1,
    )
    return LlamaForCausalLM(config)


def make_base(folder: Path, *, seed: int = 0, width: int = 32) -> Path:
    """A base's checkpoint folder."""
    tokenizer = make_tokenizer(folder.with_name(f"{folder.name}-tokenizer"))
    num_tokens = DialogEncoder.from_folder(tokenizer).vocabulary_size
    save_checkpoint_folder(make_model(num_tokens, seed=seed, width=width), tokenizer, folder)
    return folder


def make_broken_base(folder: Path) -> tuple[Path, Path, str]:
    """A base for which one token is no number, eight judgements, and the id of the one that has the token."""
    base, train = make_base(folder / "broken"), folder / "preferences.jsonl"
    records = [*make_preferences(7), make_preference(7, "~ ^ ~", "blue", strength="better")]
    write_records(train, records)
    encoder = DialogEncoder.from_folder(base)
    own = tokens_of(encoder, records[7]) - set().union(
        *(tokens_of(encoder, record) for record in records if record.id != records[7].id)
    )
    assert own, "a token that one example alone holds"
    weights = load_file(base / "model.safetensors")
    weights["model.embed_tokens.weight"][own.pop()] = torch.nan
    save_file(weights, base / "model.safetensors", metadata={"format": "pt"})
    return base, train, records[7].id


def tokens_of(encoder: DialogEncoder, record: PreferenceRecord) -> set[int]:
    """All token ids of a record."""
    return {
        *encoder.encode_context(record.context),
        *(token for response in record.responses for token in encoder.encode_response(response.content)[0]),
    }


def make_row(context: list[int], *responses: list[int]) -> Row:
    """A row whose responses' last tokens are format tokens."""
    masks = [[False] * (len(tokens) - 1) + [True] for tokens in responses]
    return Row(context=context, responses=list(responses), format_masks=masks)


def make_preference(number: int, *contents: str, strength: str = "better") -> PreferenceRecord:
    """A judgement over `contents`, best first; three of them begin with an edit."""
    origins = ("edited", "chosen", "rejected") if len(contents) == 3 else ("chosen", "rejected")
    return PreferenceRecord.model_validate(
        {
            "id": f"judgement-{number}",
            "domain": "general",
            "language": "en",
            "round": 1,
            "context": [{"role": "user", "content": f"{WORDS[number % 10]} {WORDS[number // 10 % 10]}"}],
            "responses": [
                {"content": content, "model": "policy", "origin": origin}
                for content, origin in zip(contents, origins, strict=True)
            ],
            "strength": strength,
            "annotator": "blue-fox",
            "created": "2026-01-01T00:00:00Z",
        }
    )


def make_preferences(num: int) -> list[PreferenceRecord]:
    """Judgements whose better response is another for every context; every third has an edit."""
    records = []
    for number in range(num):
        chosen, rejected = WORDS[(number + 3) % 10], WORDS[(number + 6) % 10]
        contents = (f"{chosen} {chosen}", chosen, rejected) if number % 3 == 0 else (chosen, rejected)
        strength = "significantly_better" if number % 2 else "better"
        records.append(make_preference(number, *contents, strength=strength))
    return records


def make_sft_examples(num: int) -> list[SftExample]:
    """Examples whose response is another for every context."""
    return [
        SftExample(
            id=record.id,
            source="rejection_sampling",
            context=record.context,
            response=f"{WORDS[(number + 4) % 10]} {WORDS[(number + 7) % 10]}",
        )
        for number, record in enumerate(make_preferences(num))
    ]


def make_optimizer(**changes: float) -> OptimizerConfig:
    """A schedule that overfits a few examples fast."""
    values: dict[str, float] = {"learning_rate": 1e-2, "num_epochs": 30, "batch_size": 10}
    return OptimizerConfig.model_validate(values | changes)


def training(base: Path, train: Path, folder: Path, **changes: Any) -> dict[str, Any]:  # Any: fields
    """What the configurations of the training programs have in common, for a checkpoint in `folder`."""
    values = {
        "initial": base,
        "train": train,
        "out": folder / "checkpoint",
        "optimizer": make_optimizer(),
        "seed": 1,
    }
    return values | changes


def run_program(name: str, config: ProgramConfig, folder: Path) -> tuple[int, dict[str, Any]]:
    """Run a training program as a process; its exit status, and its result or its error."""
    run_folder = RunFolder(folder)
    run_folder.write_config(config)
    done = subprocess.run(
        [sys.executable, "-m", f"alignment.training.{name}", str(run_folder.config_path)],
        cwd=REPOSITORY,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "error"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        return 0, run_folder.read_result() or {}
    error = run_folder.read_error()
    return done.returncode, {"error": error or done.stderr, "stderr": done.stderr}


def read_config(folder: Path) -> dict[str, Any]:
    """The config.json of a checkpoint folder."""
    return dict(json.loads((folder / "config.json").read_text()))
