"""Averaging: the average of the DPO variants is the round's policy."""

from alignment.models import Stage
from alignment.stages.definition import StageResult
from alignment.stages.plan import (
    average_add,
    checkpoint_path,
    checkpoints_register,
    recipe_of,
    stage_checkpoint,
    variant_names,
)
from alignment.stages.snapshot import holdout_file
from registry.models import Checkpoint


def start(stage: Stage) -> None:
    """Plan the average of all DPO variants."""
    sft = stage_checkpoint(stage.round, Stage.Name.SFT, "average")
    variants = [checkpoint_path(variant) for variant in _variants(stage)]
    average_add(stage, variants, initial=checkpoint_path(sft), holdout=holdout_file(stage), group=0)


def finish(stage: Stage) -> StageResult:
    """Register the round's policy."""
    parents = {"average": [(variant, "averaged") for variant in _variants(stage)]}
    return checkpoints_register(stage, Checkpoint.Kind.AVERAGE, ["average"], parents)


def _variants(stage: Stage) -> list[Checkpoint]:
    names = variant_names(len(recipe_of(stage.round).dpo))
    return [stage_checkpoint(stage.round, Stage.Name.DPO, name) for name in names]
