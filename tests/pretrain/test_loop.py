"""The training loop: what it computes, and that interruptions change nothing."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from pretrain.checkpoints import checkpoints
from pretrain.loop import (
    LoopConfig,
    LoopResult,
    discard_checkpoint,
    scheduled_learning_rate,
    train,
)
from pretrain.run import EXIT_TERMINATED, ProgramError, RunFolder

NUM_STEPS = 12
CONFIG = LoopConfig(
    num_steps=NUM_STEPS, learning_rate=0.01, warmup_steps=3, log_every=4, checkpoint_seconds=1e9
)

Batch = tuple[Tensor, Tensor, float]


def make_model(dropout: float = 0.1) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Dropout(dropout), nn.Linear(16, 1))


def batch_at(step: int, num_microbatches: int = 1) -> list[Batch]:
    generator = torch.Generator().manual_seed(step)
    inputs = torch.randn(8, 4, generator=generator)
    targets = inputs.sum(1, keepdim=True)
    parts = zip(inputs.chunk(num_microbatches), targets.chunk(num_microbatches), strict=True)
    return [(x, y, 8.0) for x, y in parts]


def squared_error(model: nn.Module, batch: Batch) -> tuple[Tensor, dict[str, float]]:
    inputs, targets, num_examples = batch
    error = (model(inputs) - targets).square().sum() / num_examples
    return error, {"num_tokens": float(inputs.numel())}


def run(
    folder: Path, model: nn.Module, config: LoopConfig = CONFIG, after: Callable[[int], None] | None = None
) -> LoopResult:
    return train(
        model=model,
        batch_at=batch_at,
        loss=squared_error,
        config=config,
        folder=RunFolder(folder),
        after_step=after,
    )


def same_weights(first: nn.Module, second: nn.Module) -> bool:
    pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    return all(torch.equal(one, other) for one, other in pairs)


class PowerCutError(Exception):
    """Stands for the death of the process."""


def test_a_run_cut_off_goes_on_to_bitwise_the_same_weights(tmp_path: Path) -> None:
    whole = make_model()
    expected = run(tmp_path / "whole", whole)

    def fail_at_seven(step: int) -> None:
        if step == 7:
            raise PowerCutError

    frequent = CONFIG.model_copy(update={"checkpoint_seconds": 1e-9})
    with pytest.raises(PowerCutError):
        run(tmp_path / "cut", make_model(), frequent, fail_at_seven)
    steps_after: list[int] = []
    resumed = make_model()
    result = run(tmp_path / "cut", resumed, frequent, steps_after.append)
    assert steps_after == list(range(7, NUM_STEPS + 1))
    assert same_weights(whole, resumed)
    assert result.final == expected.final
    assert result.totals == expected.totals


def test_a_finished_run_started_again_does_nothing(tmp_path: Path) -> None:
    model = make_model()
    run(tmp_path, model)
    again = make_model()
    steps: list[int] = []
    assert run(tmp_path, again, after=steps.append).num_steps == NUM_STEPS
    assert not steps
    assert same_weights(model, again)
    discard_checkpoint(RunFolder(tmp_path))
    assert not checkpoints(RunFolder(tmp_path))


def test_sigterm_checkpoints_and_exits(tmp_path: Path) -> None:
    whole = make_model()
    run(tmp_path / "whole", whole)

    def stop_at_five(step: int) -> None:
        if step == 5:
            os.kill(os.getpid(), signal.SIGTERM)

    handler = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as exit_info:
        run(tmp_path / "stopped", make_model(), after=stop_at_five)
    assert exit_info.value.code == EXIT_TERMINATED
    assert signal.getsignal(signal.SIGTERM) is handler
    resumed = make_model()
    steps: list[int] = []
    run(tmp_path / "stopped", resumed, after=steps.append)
    assert steps[0] == 6
    assert same_weights(whole, resumed)


def test_a_checkpoint_of_another_configuration_is_refused(tmp_path: Path) -> None:
    run(tmp_path, make_model())
    with pytest.raises(ProgramError, match="another configuration"):
        run(tmp_path, make_model(), CONFIG.model_copy(update={"learning_rate": 0.02}))


def test_a_loss_that_is_no_number_ends_the_run_and_spoils_no_checkpoint(tmp_path: Path) -> None:
    model = make_model()

    def spoil(step: int) -> None:
        if step == 4:
            with torch.no_grad():
                next(model.parameters()).fill_(float("nan"))

    with pytest.raises(ProgramError, match="The loss became nan at step 5: start again with a lower"):
        run(tmp_path, model, after=spoil)
    assert not checkpoints(RunFolder(tmp_path))


def test_microbatches_add_up_to_the_whole_batch(tmp_path: Path) -> None:
    one, four = make_model(dropout=0.0), make_model(dropout=0.0)
    run(tmp_path / "one", one)
    result = train(
        model=four,
        batch_at=lambda step: batch_at(step, 4),
        loss=squared_error,
        config=CONFIG,
        folder=RunFolder(tmp_path / "four"),
    )
    for first, second in zip(one.parameters(), four.parameters(), strict=True):
        torch.testing.assert_close(first, second)
    assert result.totals["num_tokens"] == NUM_STEPS * 32


def test_a_step_is_clipped_adamw_with_decay_on_matrices_only(tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"weight_decay": 0.1, "max_grad_norm": 0.5})
    model, by_hand = make_model(dropout=0.0), make_model(dropout=0.0)
    run(tmp_path, model, config)
    decayed = [p for p in by_hand.parameters() if p.ndim == 2]
    others = [p for p in by_hand.parameters() if p.ndim == 1]
    groups = [{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, betas=(0.9, config.beta2), foreach=False)
    for step in range(NUM_STEPS):
        for group in optimizer.param_groups:
            group["lr"] = scheduled_learning_rate(step, config)
        optimizer.zero_grad()
        squared_error(by_hand, batch_at(step)[0])[0].backward()
        norm = torch.cat([p.grad.flatten() for p in by_hand.parameters()]).norm()
        for parameter in by_hand.parameters():
            parameter.grad *= min(1.0, 0.5 / norm.item())
        optimizer.step()
    for first, second in zip(model.parameters(), by_hand.parameters(), strict=True):
        torch.testing.assert_close(first, second)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("linear", [0.5, 1.0, 0.775, 0.55, 0.325, 0.1]),
        ("cosine", [0.5, 1.0, 0.86819805, 0.55, 0.23180195, 0.1]),
        ("constant", [0.5, 1.0, 1.0, 1.0, 1.0, 1.0]),
    ],
)
def test_the_schedule_warms_up_and_falls_to_its_final_fraction(schedule: str, expected: list[float]) -> None:
    config = LoopConfig.model_validate(
        {"num_steps": 6, "learning_rate": 1.0, "warmup_steps": 2, "schedule": schedule, "final_fraction": 0.1}
    )
    assert [scheduled_learning_rate(step, config) for step in range(6)] == pytest.approx(expected)


def test_the_loop_tells_metrics_and_progress(tmp_path: Path) -> None:
    result = run(tmp_path, make_model())
    rows = list(RunFolder(tmp_path).read_metrics("metrics"))
    assert [row["step"] for row in rows] == [4, 8, 12]
    assert all(row["tokens_per_second"] > 0 and row["loss"] > 0 for row in rows)
    assert rows[-1]["learning_rate"] == pytest.approx(0.001)
    last = list(RunFolder(tmp_path).read_metrics("progress"))[-1]
    assert (last["done"], last["total"], last["unit"]) == (12, 12, "steps")
    assert result.totals["num_tokens"] == 12 * 32


def test_training_overfits_ten_examples(tmp_path: Path) -> None:
    model = make_model(dropout=0.0)
    config = LoopConfig(num_steps=400, learning_rate=0.03, max_grad_norm=100.0)
    result = train(
        model=model,
        batch_at=lambda _: batch_at(0),
        loss=squared_error,
        config=config,
        folder=RunFolder(tmp_path),
    )
    assert result.final["loss"] < 1e-3


def spiky_batch_at(step: int) -> list[Batch]:
    """Batches of which that of step 30 has inputs a thousand times too large."""
    ((inputs, targets, num_examples),) = batch_at(step)
    return [
        (inputs * (1000.0 if step == 30 else 1.0), targets * (1000.0 if step == 30 else 1.0), num_examples)
    ]


SPIKY = CONFIG.model_copy(update={"num_steps": 40, "spike_factor": 20.0})


def train_on_spikes(
    folder: Path,
    model: nn.Module,
    config: LoopConfig = SPIKY,
    batches: Callable[[int], list[Batch]] = spiky_batch_at,
    after: Callable[[int], None] | None = None,
) -> LoopResult:
    return train(
        model=model,
        batch_at=batches,
        loss=squared_error,
        config=config,
        folder=RunFolder(folder),
        after_step=after,
        name_batch=lambda step: f"document {step + 1}",
    )


def test_a_spike_is_skipped_counted_and_its_documents_named(tmp_path: Path) -> None:
    model = make_model()
    kept: dict[int, dict[str, Tensor]] = {}

    def keep(step: int) -> None:
        kept[step] = {name: weight.clone() for name, weight in model.state_dict().items()}

    result = train_on_spikes(tmp_path, model, after=keep)
    assert result.totals["skipped_steps"] == 1
    assert all(torch.equal(kept[31][name], weight) for name, weight in kept[30].items())
    assert any(not torch.equal(kept[32][name], weight) for name, weight in kept[31].items())
    told = (tmp_path / "metrics.jsonl").read_text()
    assert "Step 31 has a gradient norm of" in told
    assert "it was skipped. The batch read document 31." in told


@pytest.mark.parametrize("cut", [25, 31, 33])
def test_a_run_with_spikes_cut_off_goes_on_to_bitwise_the_same_weights(tmp_path: Path, cut: int) -> None:
    whole = make_model()
    expected = train_on_spikes(tmp_path / "whole", whole)

    def fail(step: int) -> None:
        if step == cut:
            raise PowerCutError

    frequent = SPIKY.model_copy(update={"checkpoint_seconds": 1e-9})
    with pytest.raises(PowerCutError):
        train_on_spikes(tmp_path / "cut", make_model(), frequent, after=fail)
    resumed = make_model()
    result = train_on_spikes(tmp_path / "cut", resumed, frequent)
    assert same_weights(whole, resumed)
    assert result.totals == expected.totals


def test_spikes_without_end_stop_the_training_with_a_sentence(tmp_path: Path) -> None:
    def always_after_30(step: int) -> list[Batch]:
        return spiky_batch_at(30 if step >= 30 else step)

    with pytest.raises(ProgramError, match="like the 9 before it: start again with a lower learning rate"):
        train_on_spikes(tmp_path, make_model(), batches=always_after_30)
