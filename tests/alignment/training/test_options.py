"""What a recipe may ask of the training programs beside the defaults, and what goes wrong with it."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file

from alignment.programs import DpoConfig, LoraConfig, RewardConfig, SftConfig
from alignment.training import dpo, reference, reward, sft
from alignment.training.rows import plain_reward_rows
from annotation.records import Strength, write_records
from pretrain.run import ProgramError, RunFolder
from tests.alignment.training.factories import (
    make_base,
    make_broken_base,
    make_optimizer,
    make_preference,
    make_preferences,
    make_row,
    make_sft_examples,
    training,
)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("base") / "base", width=64)


def result_of(folder: Path) -> dict[str, Any]:
    result = RunFolder(folder).read_result()
    assert result is not None
    return result


def changed_weights(before: Path, after: Path) -> set[str]:
    """The names of the weights that a training moved."""
    old, new = load_file(before / "model.safetensors"), load_file(after / "model.safetensors")
    assert set(old) <= set(new) | {"lm_head.weight"}
    return {name for name in set(old) & set(new) if not torch.equal(old[name], new[name])}


def test_adapters_learn_and_are_merged_into_the_layers_they_were_asked_for(
    base: Path, data: Path, tmp_path: Path
) -> None:
    config = DpoConfig(
        **training(base, data / "preferences.jsonl", tmp_path),
        lora=LoraConfig(rank=8, targets=("q_proj", "down_proj")),
    )
    dpo.run(config, RunFolder(tmp_path))
    assert result_of(tmp_path)["accuracy"] == 1.0
    assert changed_weights(base, tmp_path / "checkpoint") == {
        f"model.layers.{layer}.{name}.weight"
        for layer in range(2)
        for name in ("self_attn.q_proj", "mlp.down_proj")
    }


def test_a_reward_models_head_trains_beside_adapters(base: Path, data: Path, tmp_path: Path) -> None:
    config = RewardConfig(**training(base, data / "preferences.jsonl", tmp_path), lora=LoraConfig(rank=8))
    reward.run(config, RunFolder(tmp_path))
    assert result_of(tmp_path)["loss"] < 0.3
    assert load_file(tmp_path / "checkpoint" / "model.safetensors")["score.weight"].abs().max() > 0


@pytest.mark.parametrize(
    ("targets", "sentence"),
    [
        (("query",), r"No layer of the model is called query: choose lora targets from .*q_proj"),
        (("q_proj", "lm_head"), "The LM head takes no adapter"),
    ],
)
def test_adapters_for_layers_that_have_none_are_refused(
    base: Path, data: Path, tmp_path: Path, targets: tuple[str, ...], sentence: str
) -> None:
    config = SftConfig(**training(base, data / "sft.jsonl", tmp_path), lora=LoraConfig(targets=targets))
    with pytest.raises(ProgramError, match=sentence):
        sft.run(config, RunFolder(tmp_path))


def test_activations_computed_again_give_the_same_training(base: Path, data: Path, tmp_path: Path) -> None:
    losses = []
    for recompute in (False, True):
        folder = tmp_path / str(recompute)
        config = SftConfig(
            **training(base, data / "sft.jsonl", folder, optimizer=make_optimizer(num_epochs=2)),
            recompute_activations=recompute,
        )
        sft.run(config, RunFolder(folder))
        losses.append(result_of(folder)["loss"])
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        {"margins": {"significantly_better": 3.0, "better": 2.0}},
        {"centering": 0.01},
        {"plain_rows": True},
    ],
    ids=["margins", "centering", "plain rows"],
)
def test_the_reward_models_options_learn_too(
    base: Path, data: Path, tmp_path: Path, options: dict[str, Any]
) -> None:
    config = RewardConfig(**training(base, data / "preferences.jsonl", tmp_path), **options)
    reward.run(config, RunFolder(tmp_path))
    assert RunFolder(tmp_path).read_result() is not None
    rows = list(RunFolder(tmp_path).read_metrics("metrics"))
    assert rows[-1]["accuracy"] > 0.8 > rows[0]["accuracy"]


def test_a_pair_is_apart_by_its_strength_but_not_an_edit_and_what_it_was_made_of() -> None:
    margins = {Strength.BETTER: 2.0}
    edited = make_preference(0, "best", "good", "bad", strength="better")
    assert reward.pair_margins(edited, margins) == [0.0, 2.0, 2.0]
    assert reward.pair_margins(make_preference(0, "good", "bad", strength="better"), margins) == [2.0]
    assert reward.pair_margins(make_preference(0, "good", "bad", strength="slightly_better"), margins) == [0]


def test_plain_rows_put_the_responses_one_after_another_in_the_order_given() -> None:
    laid_out = plain_reward_rows(
        [make_row([5, 6], [7, 8], [9, 3, 4]), make_row([1], [2], [3])], [[1, 0], [0, 1]]
    )
    assert laid_out.layout.input_ids_1N.tolist() == [[5, 6, 9, 3, 4, 7, 8, 1, 2, 3]]
    assert laid_out.layout.position_ids_1N.tolist() == [[0, 1, 2, 3, 4, 5, 6, 0, 1, 2]]
    assert laid_out.last_S.tolist() == [6, 4, 8, 9]


@pytest.mark.parametrize("options", [{"preference_term": "ipo"}, {"label_smoothing": 0.1}], ids=str)
def test_the_other_terms_of_dpo_learn_too(
    base: Path, data: Path, tmp_path: Path, options: dict[str, Any]
) -> None:
    config = DpoConfig(**training(base, data / "preferences.jsonl", tmp_path), **options)
    dpo.run(config, RunFolder(tmp_path))
    assert result_of(tmp_path)["accuracy"] == 1.0


def test_a_mix_sees_some_sources_more_often_than_others(base: Path, tmp_path: Path) -> None:
    examples = [
        example.model_copy(update={"source": "edited" if place < 4 else "rejection_sampling"})
        for place, example in enumerate(make_sft_examples(10))
    ]
    write_records(tmp_path / "sft.jsonl", examples)
    config = SftConfig(
        **training(base, tmp_path / "sft.jsonl", tmp_path, optimizer=make_optimizer(num_epochs=1)),
        mix={"edited": 2.5, "rejection_sampling": 1},
    )
    sft.run(config, RunFolder(tmp_path))
    sources = result_of(tmp_path)["sources"]
    assert sources["rejection_sampling"] == 6
    assert 8 <= sources["edited"] <= 12

    wrong = config.model_copy(update={"mix": {"people": 2.0}})
    with pytest.raises(ProgramError, match="The mix names people, but the examples are of edited"):
        sft.run(wrong, RunFolder(tmp_path / "wrong"))


def test_variants_share_what_the_reference_says_whoever_comes_first(
    base: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed: list[int] = []
    compute = reference.logprobs_of_responses

    def counted(model: Any, rows: Any, max_tokens: int, **options: Any) -> Any:
        computed.append(len(rows))
        return compute(model, rows, max_tokens, **options)

    monkeypatch.setattr(reference, "logprobs_of_responses", counted)
    write_records(tmp_path / "more.jsonl", make_preferences(14))
    short = make_optimizer(num_epochs=1)
    few, all_of_them = data / "preferences.jsonl", tmp_path / "more.jsonl"
    for order, variants in (
        ("small first", {"one": few, "two": all_of_them}),
        ("large first", {"two": all_of_them, "one": few}),
    ):
        for name, train in variants.items():
            config = DpoConfig(
                **training(base, train, tmp_path / order / name, optimizer=short),
                reference_cache=tmp_path / order / "shared.safetensors",
                reference_train=all_of_them,
            )
            dpo.run(config, RunFolder(tmp_path / order / name))
    assert computed == [14, 14]
    for name in ("one", "two"):
        weights = [
            path.read_bytes()
            for order in ("small first", "large first")
            for path in (tmp_path / order / name).rglob("model.safetensors")
        ]
        assert len(weights) == 2 and weights[0] == weights[1], name


def test_a_loss_that_is_no_number_names_the_examples_that_make_it_so(tmp_path: Path) -> None:
    broken, train, guilty = make_broken_base(tmp_path)
    config = RewardConfig(**training(broken, train, tmp_path))
    with pytest.raises(
        ProgramError, match=rf"loss became nan at step 1.*make it so, look at them: {guilty}\."
    ):
        reward.run(config, RunFolder(tmp_path))


def test_examples_longer_than_the_model_reads_are_left_out_and_said_so(tmp_path: Path) -> None:
    short_sighted = make_base(tmp_path / "base")
    config = json.loads((short_sighted / "config.json").read_text())
    (short_sighted / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 48}))
    long = make_preference(9, "red " * 60, "blue")
    write_records(tmp_path / "both.jsonl", [*make_preferences(4), long])
    write_records(tmp_path / "long.jsonl", [long])

    dpo.run(DpoConfig(**training(short_sighted, tmp_path / "both.jsonl", tmp_path)), RunFolder(tmp_path))
    assert result_of(tmp_path)["num_skipped"] == 1
    with pytest.raises(ProgramError, match="longer than the 48 tokens that the model reads"):
        dpo.run(DpoConfig(**training(short_sighted, tmp_path / "long.jsonl", tmp_path)), RunFolder(tmp_path))


def test_a_forward_pass_too_small_for_a_row_is_refused(base: Path, data: Path, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="raise max_tokens_per_microbatch or lower max_row_tokens"):
        DpoConfig(
            **training(base, data / "preferences.jsonl", tmp_path),
            max_row_tokens=512,
            max_tokens_per_microbatch=256,
        )


def test_a_padding_token_that_ends_answers_is_refused_for_a_reward_model() -> None:
    row = make_row([5, 6], [7, 3], [8, 3])
    reward.check_padding(row, pad_id=0)
    with pytest.raises(ProgramError, match="no padding token of its own"):
        reward.check_padding(row, pad_id=3)
