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
from pretrain.loop import LoopConfig
from pretrain.model import next_token_loss
from pretrain.packing import TokenBatch, TokenData
from pretrain.recipe import averaged_steps, stage_at, stage_plans
from pretrain.run import RunFolder, sync_folder
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
        precision=recipe.precision,
        checkpoint_seconds=config.checkpoint_seconds,
        log_every=config.log_every,
        seed=config.seed,
    )


def batches(config: PretrainConfig, data: TokenData) -> Callable[[int], list[TokenBatch]]:
    """The microbatches of each step, by the stage it belongs to."""

    def batch_at(step: int) -> list[TokenBatch]:
        stage = stage_at(config.recipe, step).recipe
        return data.random_batch(
            seed=config.seed,
            step=step,
            num_rows=stage.num_rows,
            sequence_length=stage.sequence_length,
            rows_per_microbatch=max(1, config.max_tokens_per_microbatch // stage.sequence_length),
        )

    return batch_at


def kept_steps(config: PretrainConfig) -> frozenset[int]:
    """After how many steps the weights are kept: before annealing, and for the average."""
    return frozenset({stage_plans(config.recipe)[2].first, *averaged_steps(config.recipe)})


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


@torch.no_grad()
def holdout_loss(model: nn.Module, config: PretrainConfig, data: TokenData) -> float:
    """Mean loss per token of the held-out documents, at the finished model's context length."""
    length = config.recipe.max_length
    was_training = model.training
    model.eval()
    total, num_targets = 0.0, 0
    batches = data.whole_batches(
        sequence_length=length,
        num_rows=max(1, config.max_tokens_per_microbatch // length),
        max_rows=max(1, MAX_HOLDOUT_TOKENS // length),
    )
    for batch in batches:
        if batch.num_targets:
            mean, _ = next_token_loss(model, batch)
            total += mean.item() * batch.num_targets
            num_targets += batch.num_targets
    model.train(was_training)
    return total / max(1, num_targets)
