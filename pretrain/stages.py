"""The stages as hooks of the one loop: the batches of each step, what is saved on the way, the average.

Comes in: a recipe, token data and a model. Goes out: functions of the step for `pretrain.loop.train`, and
at the end the mean of the annealing checkpoints. Files are named by the step, and a resumed run writes
the same bytes again, so nothing of this needs a checkpoint of its own.
"""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from pretrain.config import PretrainConfig
from pretrain.course import GatedCourse
from pretrain.long_context import num_recall_rows, num_text_rows, recall_batches, shared
from pretrain.loop import LoopConfig
from pretrain.packing import TokenBatch, TokenData
from pretrain.recall import RecallTask
from pretrain.recipe import stage_plans
from pretrain.run import RunFolder, sync_folder
from pretrain.text_loss import mean_loss
from pretrain.whole_folder import sync

KEPT_FOLDER = "weights"
MAX_HOLDOUT_TOKENS = 200_000
"""More would only cost time: the loss is then known to a few thousandths."""


def loop_config(config: PretrainConfig) -> LoopConfig:
    """The loop's settings; the learning rate itself comes from the stages, step by step."""
    recipe = config.recipe
    return LoopConfig(
        num_steps=stage_plans(recipe)[-1].end,
        learning_rate=recipe.learning_rate,
        warmup_steps=recipe.warmup_steps,
        schedule="cosine",
        final_fraction=recipe.final_fraction,
        weight_decay=recipe.weight_decay,
        beta2=recipe.beta2,
        max_grad_norm=recipe.max_grad_norm,
        spike_factor=recipe.spike_factor,
        precision=recipe.precision,
        checkpoint_seconds=config.checkpoint_seconds,
        log_every=config.log_every,
        seed=config.seed,
    )


TextRows = Callable[[int], list[TokenBatch]]
"""The microbatches of a step's rows of text, without the recall rows of a gated recipe."""


def random_rows(config: PretrainConfig, course: GatedCourse, data: TokenData) -> TextRows:
    """Rows of text from random places of the corpus, by the stage that the step belongs to."""

    def rows_of(step: int) -> list[TokenBatch]:
        stage = course.stage_at(step).recipe
        return data.random_batch(
            seed=config.seed,
            step=step,
            num_rows=num_text_rows(config.recipe.gates, stage),
            sequence_length=stage.sequence_length,
            rows_per_microbatch=max(1, config.max_tokens_per_microbatch // stage.sequence_length),
        )

    return rows_of


def batches(
    config: PretrainConfig, rows_of: TextRows, course: GatedCourse, task: RecallTask | None
) -> Callable[[int], list[TokenBatch]]:
    """The microbatches of each step, by the stage it belongs to: `rows_of` it, and with `task`, a gated
    recipe's recall rows among them."""
    gates = config.recipe.gates

    def batch_at(step: int) -> list[TokenBatch]:
        text = rows_of(step)
        if gates is None or task is None:
            return text
        stage = course.stage_at(step).recipe
        rows_per_microbatch = max(1, config.max_tokens_per_microbatch // stage.sequence_length)
        recall = recall_batches(
            task, gates, stage, seed=config.seed, step=step, rows_per_microbatch=rows_per_microbatch
        )
        return shared(text, recall, num_recall_rows(gates, stage.num_rows) / stage.num_rows)

    return batch_at


def kept_steps(course: GatedCourse) -> frozenset[int]:
    """After how many steps the weights are kept, as far as is known: before annealing, for the average."""
    first = course.annealing_first
    return frozenset() if first is None else frozenset({first, *course.averaged_steps()})


def keep_weights(model: nn.Module, folder: RunFolder, step: int) -> None:
    """Write the weights after `step` steps, for the end of the run."""
    path = weights_path(folder, step)
    path.parent.mkdir(exist_ok=True)
    aside = path.with_name(f".{path.name}.writing")
    save_file({name: weight.contiguous() for name, weight in model.state_dict().items()}, aside)
    sync(aside)  # a checkpoint of a later step must not outlive it
    aside.replace(path)
    sync_folder(path.parent)


def load_mean(model: nn.Module, folder: RunFolder, steps: Sequence[int]) -> None:
    """Put the mean of the weights kept after `steps` into `model` (Polyak averaging, added in fp64)."""
    sums: dict[str, Tensor] = {}
    for step in steps:
        for name, weight in load_file(weights_path(folder, step)).items():
            sums[name] = sums.get(name, torch.zeros((), dtype=torch.float64)) + weight.double()
    model.load_state_dict({name: (total / len(steps)).float() for name, total in sums.items()})


def discard_weights(folder: RunFolder) -> None:
    """Remove all kept weights: for a run whose outputs are complete."""
    shutil.rmtree(folder.path / KEPT_FOLDER, ignore_errors=True)


def weights_path(folder: RunFolder, step: int) -> Path:
    """Where the weights after `step` steps lie."""
    return folder.path / KEPT_FOLDER / f"step-{step}.safetensors"


def holdout_loss(model: nn.Module, config: PretrainConfig, data: TokenData) -> float:
    """Mean loss per token of the held-out documents, at the finished model's context length."""
    length = config.recipe.max_length
    return mean_loss(
        model,
        data,
        length=length,
        num_rows=max(1, config.max_tokens_per_microbatch // length),
        max_tokens=MAX_HOLDOUT_TOKENS,
    )
