"""What gated long context trains with: rows that teach recall among those of text, and rotary positions that
change when it begins.

Comes in: a recipe with gates, a model, the recall task. Goes out: microbatches; the model, changed in place.

Shapes: B rows, T tokens of a row.
"""

from dataclasses import replace

import numpy as np
import torch
from torch import nn
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

from pretrain.packing import NO_TARGET, TokenBatch
from pretrain.recall import RecallTask
from pretrain.recipe import GateRecipe, PretrainRecipe, StageRecipe

RECALL_STREAM = 1
"""Keeps recall's random numbers apart from those that draw text."""


def num_recall_rows(gates: GateRecipe, num_rows: int) -> int:
    """How many rows of a batch teach recall: at least one, and at least one is text."""
    return min(num_rows - 1, max(1, round(num_rows * gates.recall_fraction)))


def num_text_rows(gates: GateRecipe | None, stage: StageRecipe) -> int:
    """How many rows of a stage's batch are text: all of them, where there are no gates."""
    return stage.num_rows - (0 if gates is None else num_recall_rows(gates, stage.num_rows))


def recall_batches(
    task: RecallTask,
    gates: GateRecipe,
    stage: StageRecipe,
    *,
    seed: int,
    step: int,
    rows_per_microbatch: int,
) -> list[TokenBatch]:
    """The rows of a step that teach recall, drawn from (seed, step). Only answers have targets: what the rows
    say beside them is taught by the rows of text."""
    random = np.random.default_rng((seed, step, RECALL_STREAM))
    num_rows, length = num_recall_rows(gates, stage.num_rows), stage.sequence_length
    rows = [task.training_row(random, length + 1, gates.max_facts) for _ in range(num_rows)]
    tokens_BT = np.stack([row.tokens_T for row in rows])
    targets_BT = np.full_like(tokens_BT, NO_TARGET)
    for row, targets_T in zip(rows, targets_BT, strict=True):
        for answer in row.answers:
            targets_T[answer] = row.tokens_T[answer]
    num_targets = int((targets_BT != NO_TARGET).sum())
    return [
        TokenBatch(
            input_ids_BT=torch.from_numpy(tokens_BT[part, :-1].copy()),
            position_ids_BT=torch.arange(length).expand(len(tokens_BT[part]), length),
            starts_BT=torch.zeros(len(tokens_BT[part]), length, dtype=torch.long),
            targets_BT=torch.from_numpy(targets_BT[part, 1:].copy()),
            num_targets=num_targets,
        )
        for part in (
            slice(first, first + rows_per_microbatch) for first in range(0, num_rows, rows_per_microbatch)
        )
    ]


def shared(text: list[TokenBatch], recall: list[TokenBatch], recall_part: float) -> list[TokenBatch]:
    """Both in one step whose loss is `recall_part` recall's mean and the rest the text's mean."""
    return [
        replace(batch, num_targets=max(1, round(batch.num_targets / part)))
        for batches, part in ((text, 1 - recall_part), (recall, recall_part))
        for batch in batches
    ]


def change_rope(model: nn.Module, recipe: PretrainRecipe) -> None:
    """Give the model the rotary positions of long context, where the recipe has others for it."""
    if recipe.gates is None or recipe.gates.rope is None:
        return
    short_length = recipe.initial.sequence_length
    model.config.rope_parameters = recipe.gates.rope.parameters(recipe.model.rope_theta, short_length)
    model.model.rotary_emb = LlamaRotaryEmbedding(model.config)
