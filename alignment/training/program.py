"""What the three training programs have in common: their start, their loop and their end.

Comes in: a TrainingConfig and the run folder. Goes out: the trained checkpoint folder, and result.json.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import nn

from alignment.programs import TrainingConfig
from alignment.training.attention import use_planned_attention
from alignment.training.forward import check_shared_prefix
from alignment.training.rows import Row
from alignment.training.schedule import microbatches, num_steps, step_examples
from pretrain.checkpoint_check import check_checkpoint_folder
from pretrain.checkpoint_folder import load_causal_lm, save_checkpoint_folder
from pretrain.encoders import Encoder, encoder_for
from pretrain.loop import LoopConfig, LoopResult, LossFunction, discard_checkpoint, train
from pretrain.run import RunFolder

BatchT = TypeVar("BatchT")

LOG_ROWS = 100
"""About how many rows of metrics a training leaves."""


def start(config: TrainingConfig) -> Encoder:
    """Set torch up and check the initial checkpoint before any work; its encoder."""
    torch.set_num_threads(config.num_threads)
    check_checkpoint_folder(config.initial)
    return encoder_for(config.initial)


def load_initial(config: TrainingConfig, encoder: Encoder) -> nn.Module:
    """The causal language model to start from, on the device to train on."""
    model = load_causal_lm(config.initial)
    use_planned_attention(model)
    check_shared_prefix(model)
    return model.to(training_device())


def training_device() -> torch.device:
    """The GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def cut_step(step: int, rows: Sequence[Row], config: TrainingConfig) -> list[list[int]]:
    """The microbatches of a step, as indices into `rows`."""
    examples = step_examples(step, len(rows), config.optimizer, config.seed)
    cut = microbatches([rows[example].num_tokens for example in examples], config.max_tokens_per_microbatch)
    return [[examples[place] for place in places] for places in cut]


def run_loop(
    config: TrainingConfig,
    folder: RunFolder,
    *,
    model: nn.Module,
    num_examples: int,
    batch_at: Callable[[int], Sequence[BatchT]],
    loss: LossFunction[BatchT],
) -> LoopResult:
    """Train `model` in place over the config's epochs."""
    steps = num_steps(num_examples, config.optimizer)
    loop_config = LoopConfig(
        num_steps=steps,
        learning_rate=config.optimizer.learning_rate,
        warmup_steps=round(steps * config.optimizer.warmup_fraction),
        schedule="linear",
        final_fraction=config.optimizer.final_fraction,
        weight_decay=config.optimizer.weight_decay,
        beta2=config.optimizer.beta2,
        max_grad_norm=config.optimizer.max_grad_norm,
        precision=config.precision,
        checkpoint_seconds=config.checkpoint_seconds,
        log_every=max(1, steps // LOG_ROWS),
        seed=config.seed,
    )
    return train(model=model, batch_at=batch_at, loss=loss, config=loop_config, folder=folder)


def finish(
    config: TrainingConfig,
    folder: RunFolder,
    *,
    model: nn.Module,
    num_examples: int,
    num_skipped: int,
    loop: LoopResult,
    more: dict[str, Any],  # Any: each program's own figures
) -> None:
    """Write the checkpoint folder, then the result."""
    save_checkpoint_folder(model, config.initial, config.out)
    folder.finish(
        {
            "num_examples": num_examples,
            "num_skipped": num_skipped,
            "num_steps": loop.num_steps,
            "num_tokens": round(loop.totals["num_tokens"]),
            "loss": loop.final["loss"],
            **more,
        }
    )
    discard_checkpoint(folder)
