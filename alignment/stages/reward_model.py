"""Reward model: variants from the base on all judgements to date, then their average."""

from alignment.models import Stage
from alignment.programs import RewardConfig
from alignment.stages.definition import StageResult
from alignment.stages.plan import (
    TRAINING,
    average_add,
    checkpoint_out,
    checkpoint_path,
    checkpoints_register,
    program_add,
    recipe_of,
    training_options,
    variant_names,
)
from alignment.stages.snapshot import TRAIN, holdout_file, snapshot_file
from registry.models import Checkpoint


def start(stage: Stage) -> None:
    """Plan one program a variant, then the average."""
    recipe = recipe_of(stage.round)
    names = variant_names(len(recipe.reward))
    initial = checkpoint_path(stage.round.base)
    holdout = holdout_file(stage)
    for name, variant in zip(names, recipe.reward, strict=True):
        config = RewardConfig(
            initial=initial,
            train=snapshot_file(stage, TRAIN),
            holdout=holdout,
            **training_options(stage, name, variant),
            margins=variant.margins,
            centering=variant.centering,
            plain_rows=variant.plain_rows,
        )
        program_add(
            stage, name, "alignment.training.reward", config, queue=TRAINING, num_threads=recipe.num_threads
        )
    variants = [checkpoint_out(stage, name) for name in names]
    average_add(stage, variants, initial=initial, holdout=holdout, group=1)


def finish(stage: Stage) -> StageResult:
    """Register the variants and their average."""
    names = variant_names(len(recipe_of(stage.round).reward))
    parents = {name: [(stage.round.base, "initial")] for name in names}
    return checkpoints_register(stage, Checkpoint.Kind.REWARD_MODEL, [*names, "average"], parents)
