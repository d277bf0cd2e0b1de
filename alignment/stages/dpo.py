"""DPO: variants from this round's SFT model, which is also their reference, on the newest judgements."""

from alignment.models import Stage
from alignment.programs import DpoConfig
from alignment.stages.definition import StageResult
from alignment.stages.plan import (
    TRAINING,
    checkpoint_path,
    checkpoints_register,
    program_add,
    recipe_of,
    stage_checkpoint,
    stage_folder,
    training_options,
    variant_names,
)
from alignment.stages.snapshot import NEWEST, snapshot_file
from registry.models import Checkpoint


def start(stage: Stage) -> None:
    """Plan one program a variant."""
    recipe = recipe_of(stage.round)
    initial = stage_checkpoint(stage.round, Stage.Name.SFT, "average")
    most_rounds = max(variant.newest_rounds for variant in recipe.dpo)  # its file holds all others'
    for name, variant in zip(variant_names(len(recipe.dpo)), recipe.dpo, strict=True):
        config = DpoConfig(
            initial=checkpoint_path(initial),
            train=snapshot_file(stage, NEWEST.format(rounds=variant.newest_rounds)),
            **training_options(stage, name, variant),
            beta=variant.beta,
            nll_coefficient=variant.nll_coefficient,
            mask_format_tokens=variant.mask_format_tokens,
            preference_term=variant.preference_term,
            label_smoothing=variant.label_smoothing,
            reference_cache=stage_folder(stage) / "reference.safetensors",
            reference_train=snapshot_file(stage, NEWEST.format(rounds=most_rounds)),
        )
        program_add(
            stage, name, "alignment.training.dpo", config, queue=TRAINING, num_threads=recipe.num_threads
        )


def finish(stage: Stage) -> StageResult:
    """Register the variants."""
    names = variant_names(len(recipe_of(stage.round).dpo))
    sft = stage_checkpoint(stage.round, Stage.Name.SFT, "average")
    parents = {name: [(sft, "initial and reference")] for name in names}
    return checkpoints_register(stage, Checkpoint.Kind.DPO, names, parents)
