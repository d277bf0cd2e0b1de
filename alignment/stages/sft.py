"""SFT: quality control of the best-of-K answers and people's edits, variants from the base, their average."""

from pathlib import Path

from alignment.models import Stage
from alignment.programs import QualityConfig, SftConfig
from alignment.selectors import QUALITY_PROGRAM
from alignment.stages.definition import StageResult
from alignment.stages.judge import judge_config
from alignment.stages.plan import (
    CANDIDATES,
    SAMPLING,
    TRAINING,
    average_add,
    checkpoint_out,
    checkpoint_path,
    checkpoints_register,
    program_add,
    recipe_of,
    stage_checkpoint,
    stage_folder,
    training_options,
    variant_names,
)
from alignment.stages.rejection_sampling import PROGRAM
from alignment.stages.snapshot import HOLDOUT_PROMPTS, TRAIN, holdout_file, snapshot_file
from registry.models import Checkpoint

EXAMPLES = "examples.jsonl"
TOPICS = "topics.jsonl"
DROPPED = "dropped.jsonl"
JUDGED = "judged.jsonl"


def start(stage: Stage) -> None:
    """Plan the program that chooses the examples, then one a variant, then the average."""
    recipe = recipe_of(stage.round)
    _quality_add(stage)
    names = variant_names(len(recipe.sft))
    for name, variant in zip(names, recipe.sft, strict=True):
        config = SftConfig(
            initial=checkpoint_path(stage.round.base),
            train=stage_folder(stage) / EXAMPLES,
            **training_options(stage, name, variant),
            mix=variant.mix,
        )
        program_add(
            stage,
            name,
            "alignment.training.sft",
            config,
            queue=TRAINING,
            group=1,
            num_threads=recipe.num_threads,
        )
    variants = [checkpoint_out(stage, name) for name in names]
    average_add(
        stage,
        variants,
        initial=checkpoint_path(stage.round.base),
        holdout=holdout_file(stage),
        group=2,
    )


def _quality_add(stage: Stage) -> None:
    """Plan quality control of what rejection sampling and people wrote."""
    recipe = recipe_of(stage.round)
    sampling = stage.round.stages.get(name=Stage.Name.REJECTION_SAMPLING)
    config = QualityConfig(
        candidates=Path(sampling.programs.get(name=PROGRAM).folder).parent / CANDIDATES,
        preferences=snapshot_file(stage, TRAIN),
        evaluation_prompts=snapshot_file(stage, HOLDOUT_PROMPTS),
        recipe=recipe.quality,
        judge=judge_config(recipe.quality.judge, named_in="quality.judge"),
        judged=stage_folder(stage) / JUDGED,
        embedder=checkpoint_path(stage.round.base) if recipe.quality.reads_dialogs else None,
        max_row_tokens=recipe.max_row_tokens,
        num_threads=recipe.num_threads,
        out=stage_folder(stage) / EXAMPLES,
        topics=stage_folder(stage) / TOPICS,
        dropped=stage_folder(stage) / DROPPED,
    )
    program_add(
        stage,
        QUALITY_PROGRAM,
        "alignment.sampling.quality",
        config,
        queue=SAMPLING,
        num_threads=recipe.num_threads,
    )


def finish(stage: Stage) -> StageResult:
    """Register the variants and their average; the examples are counted by their source."""
    names = variant_names(len(recipe_of(stage.round).sft))
    reward_model = stage_checkpoint(stage.round, Stage.Name.REWARD_MODEL, "average")
    data = [(reward_model, "picked the data"), *((policy, "sampled the data") for policy in _policies(stage))]
    parents = {name: [(stage.round.base, "initial"), *data] for name in names}
    sources = stage.programs.get(name=QUALITY_PROGRAM).result["sources"]
    return {
        "examples": sources,
        **checkpoints_register(stage, Checkpoint.Kind.SFT, [*names, "average"], parents),
    }


def _policies(stage: Stage) -> list[Checkpoint]:
    """Those that rejection sampling asked."""
    sampled = stage.round.stages.get(name=Stage.Name.REJECTION_SAMPLING).result.get("policies", {})
    return list(Checkpoint.objects.filter(name__in=sampled).order_by("pk"))
