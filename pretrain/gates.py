"""The gates of long context as a training uses them: measured on held-out text, told, and drawn at the end.

Comes in: a model in training, its recipe, the held-out documents, the course. Goes out: what the course
decides by, rows of metrics, the gates' part of the result, and `needle.svg`.
"""

from dataclasses import asdict
from typing import Any

import numpy as np
from torch import nn

from pretrain.config import PretrainConfig
from pretrain.course import GatedCourse, Measure, Measured, long_context_stages
from pretrain.dialog import DialogEncoder
from pretrain.needle_plot import needle_svg
from pretrain.needles import even_depths, measure_cells
from pretrain.packing import TokenData
from pretrain.recall import RecallTask
from pretrain.run import RunFolder, write_atomically
from pretrain.text_loss import MAX_GATE_TOKENS, mean_loss

PICTURE_NAME = "needle.svg"


def gate_measure(
    model: nn.Module, config: PretrainConfig, encoder: DialogEncoder, holdout: TokenData
) -> Measure | None:
    """What the course of a gated recipe measures with: held-out text at the initial length, and needles in
    held-out text at a stage's. None for recipes without gates."""
    gates = config.recipe.gates
    if gates is None:
        return None
    task = RecallTask(encoder, holdout.tokens_N)
    short = config.recipe.initial.sequence_length

    def measure(length: int | None) -> Measured:
        short_loss = mean_loss(
            model,
            holdout,
            length=short,
            num_rows=max(1, config.max_tokens_per_microbatch // short),
            max_tokens=MAX_GATE_TOKENS,
        )
        if length is None:
            return Measured(short_loss=short_loss, recall=None)
        cells = measure_cells(
            model,
            task,
            lengths=[length],
            depths=even_depths(gates.num_depths),
            num_trials=gates.num_trials,
            seed=config.seed,
        )
        return Measured(short_loss=short_loss, recall=float(np.mean([cell.recall for cell in cells])))

    return measure


def tell_gate(course: GatedCourse, folder: RunFolder, num_done: int) -> None:
    """Append a row of metrics where a gate was looked at after this step."""
    check = course.check_at(num_done)
    if check is not None:
        folder.metrics(
            num_done,
            gate_stage=check.stage,
            gate_length=check.length,
            gate_short_loss=check.short_loss,
            gate_recall=check.recall,
            gate_passed=int(check.passed),
        )


def gate_results(
    model: nn.Module,
    config: PretrainConfig,
    encoder: DialogEncoder,
    holdout: TokenData,
    course: GatedCourse,
    folder: RunFolder,
) -> dict[str, Any]:  # Any: plain values
    """The result's `gates` and `needle`, of the finished model at every stage's length, with the picture;
    nothing for recipes without gates."""
    gates = config.recipe.gates
    if gates is None:
        return {}
    cells = measure_cells(
        model,
        RecallTask(encoder, holdout.tokens_N),
        lengths=[stage.sequence_length for stage in long_context_stages(config.recipe)],
        depths=even_depths(gates.num_depths),
        num_trials=gates.num_trials,
        seed=config.seed,
    )
    write_atomically(folder.path / PICTURE_NAME, needle_svg(cells))
    return {
        "short_loss_before_long_context": course.memory.short_loss_before,
        "gates": course.results(),
        "needle": [asdict(cell) for cell in cells],
    }
