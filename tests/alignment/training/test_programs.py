"""The training programs for real: as processes from their run folders, and learning ten examples by heart."""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification

from alignment.programs import AverageConfig, DpoConfig, RewardConfig, SftConfig
from alignment.training import dpo, reward, sft
from alignment.training.inputs import preference_inputs
from alignment.training.reference import CACHE_NAME, reference_logprobs
from pretrain.checkpoint_folder import load_causal_lm
from pretrain.checkpoints import checkpoints
from pretrain.dialog import DialogEncoder
from pretrain.packed.attention import use_planned_attention
from pretrain.run import ProgramError, RunFolder
from tests.alignment.training.factories import (
    make_base,
    make_optimizer,
    make_sft_examples,
    read_config,
    run_program,
    training,
)

RESULT = {"num_examples", "num_skipped", "num_steps", "num_tokens", "loss"}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("base") / "base")


def test_sft_as_a_process(base: Path, data: Path, tmp_path: Path) -> None:
    config = SftConfig(
        **training(base, data / "sft.jsonl", tmp_path, optimizer=make_optimizer(num_epochs=2, batch_size=4))
    )
    status, result = run_program("sft", config, tmp_path)
    assert (status, set(result)) == (0, RESULT | {"sources"}), result
    assert (result["num_examples"], result["num_skipped"], result["num_steps"]) == (10, 0, 5)
    load_causal_lm(tmp_path / "checkpoint")


def test_dpo_as_a_process(base: Path, data: Path, tmp_path: Path) -> None:
    config = DpoConfig(
        **training(
            base, data / "preferences.jsonl", tmp_path, optimizer=make_optimizer(num_epochs=2, batch_size=4)
        )
    )
    status, result = run_program("dpo", config, tmp_path)
    assert (status, set(result)) == (0, RESULT | {"accuracy", "margin"}), result
    load_causal_lm(tmp_path / "checkpoint")
    assert not checkpoints(RunFolder(tmp_path))
    assert {row["kind"] for row in RunFolder(tmp_path).read_metrics()} == {"metrics", "progress"}


def test_an_average_as_a_process(base: Path, tmp_path: Path) -> None:
    config = AverageConfig(checkpoints=(base, base), out=tmp_path / "checkpoint")
    status, result = run_program("average", config, tmp_path)
    assert status == 0, result
    load_causal_lm(tmp_path / "checkpoint")


def test_a_reward_model_as_a_process(base: Path, data: Path, tmp_path: Path) -> None:
    preferences = data / "preferences.jsonl"
    config = RewardConfig(**training(base, preferences, tmp_path), holdout=preferences)
    status, result = run_program("reward", config, tmp_path)
    assert (status, set(result)) == (0, RESULT | {"holdout"}), result
    assert result["holdout"]["accuracy"] == 1.0
    assert set(result["holdout"]["by_strength"]) == {"significantly_better", "better"}
    assert read_config(tmp_path / "checkpoint")["architectures"] == ["LlamaForSequenceClassification"]


def test_what_a_user_can_mend_ends_a_process_with_a_sentence(base: Path, tmp_path: Path) -> None:
    config = AverageConfig(checkpoints=(base, base), weights=(0.5, 0.4), out=tmp_path / "checkpoint")
    status, result = run_program("average", config, tmp_path)
    assert status == 2
    assert result["error"] == "The weights sum to 0.9: make them sum to 1."
    assert not (tmp_path / "checkpoint").exists()


def test_a_base_that_does_not_speak_the_protocol_is_refused(base: Path, data: Path, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign"
    shutil.copytree(base, foreign)
    tokenizer = (foreign / "tokenizer.json").read_text().replace("<|eot_id|>", "<|unknown|>")
    (foreign / "tokenizer.json").write_text(tokenizer)
    with pytest.raises(
        ProgramError, match=r"lacks the dialog protocol's tokens <\|eot_id\|>: use a base model"
    ):
        sft.run(SftConfig(**training(foreign, data / "sft.jsonl", tmp_path)), RunFolder(tmp_path))
    assert not (tmp_path / "checkpoint").exists()


def test_sft_learns_ten_examples_by_heart(base: Path, data: Path, tmp_path: Path) -> None:
    sft.run(SftConfig(**training(base, data / "sft.jsonl", tmp_path)), RunFolder(tmp_path))
    model = load_causal_lm(tmp_path / "checkpoint")
    encoder = DialogEncoder.from_folder(tmp_path / "checkpoint")
    for example in make_sft_examples(10):
        context, (response, _) = (
            encoder.encode_context(example.context),
            encoder.encode_response(example.response),
        )
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([context + response])).logits[0]
        assert logits.argmax(-1)[len(context) - 1 : -1].tolist() == response


def test_dpo_learns_ten_judgements_and_ends_its_turns(base: Path, data: Path, tmp_path: Path) -> None:
    config = DpoConfig(**training(base, data / "preferences.jsonl", tmp_path))
    dpo.run(config, RunFolder(tmp_path))
    result = RunFolder(tmp_path).read_result()
    assert result is not None
    assert result["accuracy"] == 1.0
    assert result["margin"] > 1
    rows = list(RunFolder(tmp_path).read_metrics("metrics"))
    assert rows[0]["preference_loss"] == pytest.approx(0.6931, abs=1e-3)
    assert rows[-1]["nll_loss"] < 0.5 < rows[0]["nll_loss"]


def test_the_reference_is_computed_once_and_read_from_the_run_folder(
    base: Path, data: Path, tmp_path: Path
) -> None:
    one_step = make_optimizer(num_epochs=1)
    config = DpoConfig(**training(base, data / "preferences.jsonl", tmp_path, optimizer=one_step))
    folder = RunFolder(tmp_path)
    dpo.run(config, folder)
    encoder = DialogEncoder.from_folder(base)
    rows = preference_inputs(config.train, encoder, config.max_row_tokens).rows
    model = load_causal_lm(base)
    use_planned_attention(model)
    first = reference_logprobs(model, rows, rows, config, folder)

    path = tmp_path / CACHE_NAME
    with safe_open(path, framework="pt") as cache:
        metadata = cache.metadata()
    save_file({name: value + 1 for name, value in load_file(path).items()}, path, metadata=metadata)
    again = reference_logprobs(model, rows, rows, config, folder)
    assert torch.equal(torch.cat(again), torch.cat(first) + 1)

    with torch.no_grad():
        model.lm_head.weight.mul_(1.5)
    other = reference_logprobs(model, rows, rows, config, folder)
    assert not torch.allclose(torch.cat(other), torch.cat(again))


def test_transformers_reads_the_reward_that_was_trained(base: Path, data: Path, tmp_path: Path) -> None:
    config = RewardConfig(**training(base, data / "preferences.jsonl", tmp_path))
    reward.run(config, RunFolder(tmp_path))
    result = RunFolder(tmp_path).read_result()
    assert result is not None
    assert result["holdout"] is None
    assert result["loss"] < 0.2
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "checkpoint")
    encoder = DialogEncoder.from_folder(tmp_path / "checkpoint")
    rows = preference_inputs(config.train, encoder, config.max_row_tokens).rows
    use_planned_attention(model)
    rewards = reward.all_rewards(model, rows, 256)
    for row, row_rewards in zip(rows, rewards, strict=True):
        assert row_rewards == sorted(row_rewards, reverse=True)
        for tokens, value in zip(row.responses, row_rewards, strict=True):
            padded = torch.tensor([row.context + tokens + [encoder.pad_id] * 3])
            with torch.no_grad():
                assert model(input_ids=padded).logits.item() == pytest.approx(value, abs=1e-5)


@pytest.mark.parametrize("precision", ["bf16", "pure_bf16"])
def test_bf16_trains_too(base: Path, data: Path, tmp_path: Path, precision: str) -> None:
    config = DpoConfig(**training(base, data / "preferences.jsonl", tmp_path, precision=precision))
    dpo.run(config, RunFolder(tmp_path))
    result = RunFolder(tmp_path).read_result()
    assert result is not None
    assert result["accuracy"] == 1.0
    weights = load_file(config.out / "model.safetensors")
    assert {weight.dtype for weight in weights.values()} == {torch.float32}


def test_a_reward_model_learns_in_pure_bf16(base: Path, data: Path, tmp_path: Path) -> None:
    config = RewardConfig(**training(base, data / "preferences.jsonl", tmp_path, precision="pure_bf16"))
    reward.run(config, RunFolder(tmp_path))
    rows = list(RunFolder(tmp_path).read_metrics("metrics"))
    assert rows[-1]["accuracy"] > 0.8 > rows[0]["accuracy"]


def test_cutting_a_step_into_microbatches_does_not_change_it(base: Path, data: Path, tmp_path: Path) -> None:
    losses = []
    for max_tokens in (64, 4096):
        folder = tmp_path / str(max_tokens)
        config = DpoConfig(
            **training(
                base,
                data / "preferences.jsonl",
                folder,
                optimizer=make_optimizer(num_epochs=3),
                max_row_tokens=64,
                max_tokens_per_microbatch=max_tokens,
            )
        )
        dpo.run(config, RunFolder(folder))
        losses.append([row["loss"] for row in RunFolder(folder).read_metrics("metrics")])
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)


class PowerCut(Exception):
    """What ends a run in the middle."""


class FailingFolder(RunFolder):
    """A run folder that fails at the fifth step."""

    def metrics(self, step: int, **values: float | int | str | None) -> None:
        if step == 5:
            raise PowerCut
        super().metrics(step, **values)


def test_a_run_cut_off_in_the_middle_goes_on_to_the_same_weights(
    base: Path, data: Path, tmp_path: Path
) -> None:
    weights = []
    for name, cut_off in (("whole", False), ("cut", True)):
        folder = tmp_path / name
        optimizer = make_optimizer(num_epochs=3, batch_size=4)
        config = DpoConfig(
            **training(base, data / "preferences.jsonl", folder, optimizer=optimizer, checkpoint_seconds=1e-9)
        )
        if cut_off:
            with pytest.raises(PowerCut):
                dpo.run(config, FailingFolder(folder))
            assert not config.out.exists()
        dpo.run(config, RunFolder(folder))
        weights.append(load_file(config.out / "model.safetensors"))
    assert all(torch.equal(weight, weights[1][name]) for name, weight in weights[0].items())
    steps = [row["step"] for row in RunFolder(tmp_path / "cut").read_metrics("metrics")]
    assert steps == list(range(1, 9))


def test_too_short_a_limit_and_too_high_a_learning_rate_get_their_sentence(
    base: Path, data: Path, tmp_path: Path
) -> None:
    short = SftConfig(**training(base, data / "sft.jsonl", tmp_path, max_row_tokens=16))
    with pytest.raises(ProgramError, match="raise max_row_tokens"):
        sft.run(short, RunFolder(tmp_path))
    wild = SftConfig(
        **training(base, data / "sft.jsonl", tmp_path, optimizer=make_optimizer(learning_rate=1e30))
    )
    with pytest.raises(ProgramError, match="start again with a lower learning rate"):
        sft.run(wild, RunFolder(tmp_path))
    assert not (tmp_path / "checkpoint").exists()


def test_a_missing_initial_checkpoint_is_refused_before_any_work(data: Path, tmp_path: Path) -> None:
    config = RewardConfig(**training(tmp_path / "nowhere", data / "preferences.jsonl", tmp_path))
    with pytest.raises(ProgramError, match=r"There is no folder .*nowhere"):
        reward.run(config, RunFolder(tmp_path))
    assert RunFolder(tmp_path).read_result() is None
