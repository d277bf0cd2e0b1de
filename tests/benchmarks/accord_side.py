"""Accord's training programs' own losses and loop on pre-tokenised rows, told to a StepClock.

Comes in: a model and the rows of each step. Goes out: each step's loss, tokens and CPU time. Laying out the
batches counts. The reference's log-probabilities are computed before, as on the peer's side.
"""

import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from alignment.programs import DpoConfig, OptimizerConfig, RewardConfig, SftConfig, TrainingConfig
from alignment.training import dpo, reward, sft
from alignment.training.reference import logprobs_of_responses
from alignment.training.rows import Row
from pretrain.loop import LoopConfig, LossFunction, Microbatches, train
from pretrain.packed.attention import use_planned_attention
from pretrain.run import RunFolder
from tests.benchmarks.measuring import Settings, StepClock

NOWHERE = Path("/nowhere")


def train_dpo(
    model: nn.Module,
    rows: Sequence[Row],
    clock: StepClock,
    settings: Settings,
    *,
    max_tokens: int,
    beta: float = 0.1,
    nll_coefficient: float = 0.2,
) -> None:
    """DPO with the NLL term over `rows`, `settings.step` rows a step; no token is masked."""
    config = DpoConfig(
        **common(settings, max_tokens),
        beta=beta,
        nll_coefficient=nll_coefficient,
        mask_format_tokens=False,
    )
    use_planned_attention(model)
    rows = [dpo.without_format(row) for row in rows]
    reference = logprobs_of_responses(
        model, rows, config.max_tokens_per_microbatch, autocast=config.precision == "bf16"
    )

    def batch_at(number: int) -> Microbatches[dpo.DpoBatch]:
        first = number * settings.step
        after = first + settings.step
        return dpo.step_batches(0, rows[first:after], reference[first:after], config)

    run_loop(
        model,
        len(rows) // settings.step,
        batch_at,
        partial(dpo.policy_loss, terms=dpo.terms_of(config)),
        config,
        clock,
    )


def train_reward(
    model: nn.Module,
    rows: Sequence[Row],
    clock: StepClock,
    settings: Settings,
    *,
    max_tokens: int,
) -> None:
    """A reward model over all pairs of each row's ranking; `settings.step` rows a step."""
    config = RewardConfig(**common(settings, max_tokens))
    use_planned_attention(model)
    run_loop(
        model,
        len(rows) // settings.step,
        lambda number: reward.step_batches(0, step_rows(rows, number, settings), config),
        reward.reward_loss,
        config,
        clock,
    )


def train_sft(
    model: nn.Module,
    rows: Sequence[Row],
    clock: StepClock,
    settings: Settings,
    *,
    max_tokens: int,
) -> None:
    """SFT on the responses; `settings.step` rows a step."""
    config = SftConfig(**common(settings, max_tokens))
    use_planned_attention(model)
    run_loop(
        model,
        len(rows) // settings.step,
        lambda number: sft.step_batches(0, step_rows(rows, number, settings), config),
        sft.sft_loss,
        config,
        clock,
    )


def step_rows(rows: Sequence[Row], number: int, settings: Settings) -> Sequence[Row]:
    """The rows of step `number`, from 0."""
    return rows[number * settings.step : (number + 1) * settings.step]


def common(settings: Settings, max_tokens: int) -> dict[str, Any]:
    """What the configurations have in common; Any: their fields. The one step of the schedule is all rows."""
    return {
        "initial": NOWHERE,
        "train": NOWHERE,
        "out": NOWHERE,
        "seed": 0,
        "optimizer": OptimizerConfig(
            learning_rate=settings.learning_rate, num_epochs=1, batch_size=settings.step
        ),
        "max_tokens_per_microbatch": max_tokens,
        "max_row_tokens": max_tokens,
        "precision": "bf16" if settings.bf16 else "fp32",
    }


def run_loop(
    model: nn.Module,
    num_steps: int,
    batch_at: Callable[[int], Microbatches[Any]],
    loss: LossFunction[Any],
    config: TrainingConfig,
    clock: StepClock,
) -> None:
    """The training loop of all programs, at a constant learning rate."""
    losses: list[float] = []
    tokens: list[float] = []

    def told(model: nn.Module, batch: Any) -> tuple[torch.Tensor, dict[str, float]]:
        value, metrics = loss(model, batch)
        losses[-1] += value.item()
        tokens[-1] += metrics["num_tokens"]
        return value, metrics

    def batches(number: int) -> Microbatches[Any]:
        losses.append(0.0)
        tokens.append(0.0)
        return batch_at(number)

    loop_config = LoopConfig(
        num_steps=num_steps,
        learning_rate=config.optimizer.learning_rate,
        schedule="constant",
        beta2=config.optimizer.beta2,
        max_grad_norm=config.optimizer.max_grad_norm,
        precision=config.precision,
        checkpoint_seconds=1e9,
    )
    with tempfile.TemporaryDirectory() as folder:
        clock.begin()
        train(
            model=model,
            batch_at=batches,
            loss=told,
            config=loop_config,
            folder=RunFolder(Path(folder)),
            after_step=lambda _: clock.step_done(loss=losses[-1], num_tokens=int(tokens[-1])),
        )
