"""SFT: variants from the base on the best-of-K answers and people's edits, then their average."""

from collections import Counter
from pathlib import Path

from accounts.errors import Invalid
from alignment.models import Stage
from alignment.programs import SftConfig
from alignment.quality import examples_from_candidates, examples_from_edits
from alignment.records import CandidateSet
from alignment.stages.definition import StageResult
from alignment.stages.plan import (
    TRAINING,
    average_add,
    checkpoint_out,
    checkpoint_path,
    checkpoints_register,
    program_add,
    recipe_of,
    stage_checkpoint,
    stage_folder,
    variant_names,
)
from alignment.stages.rejection_sampling import CANDIDATES, PROGRAM
from alignment.stages.snapshot import TRAIN, snapshot_file
from annotation.records import PreferenceRecord, read_records, write_records
from registry.models import Checkpoint

EXAMPLES = "examples.jsonl"


def start(stage: Stage) -> None:
    """Build the examples, then plan one program a variant and the average."""
    recipe = recipe_of(stage.round)
    examples_path = stage_folder(stage) / EXAMPLES
    stage.result = {"examples": _write_examples(stage, examples_path)}
    names = variant_names(len(recipe.sft))
    for name, variant in zip(names, recipe.sft, strict=True):
        config = SftConfig(
            initial=checkpoint_path(stage.round.base),
            train=examples_path,
            out=checkpoint_out(stage, name),
            optimizer=variant.optimizer,
            seed=variant.seed,
            max_tokens_per_microbatch=recipe.max_tokens_per_microbatch,
            max_row_tokens=recipe.max_row_tokens,
            precision=recipe.precision,
            num_threads=recipe.num_threads,
        )
        program_add(
            stage, name, "alignment.training.sft", config, queue=TRAINING, num_threads=recipe.num_threads
        )
    variants = [checkpoint_out(stage, name) for name in names]
    average_add(stage, variants, initial=checkpoint_path(stage.round.base), group=1)


def _write_examples(stage: Stage, path: Path) -> dict[str, int]:
    """Write the SFT examples; how many came from where, and how many were dropped for what."""
    sampling = stage.round.stages.get(name=Stage.Name.REJECTION_SAMPLING)
    candidates = Path(sampling.programs.get(name=PROGRAM).folder).parent / CANDIDATES
    best, dropped = examples_from_candidates(read_records(candidates, CandidateSet))
    edits = examples_from_edits(read_records(snapshot_file(stage, TRAIN), PreferenceRecord))
    if not best and not edits:
        raise Invalid(
            "No example is left to learn from: every best answer was empty or cut off. Raise max_tokens."
        )
    write_records(path, [*best, *edits])
    counts = Counter({"rejection_sampling": len(best), "edited": len(edits)})
    return dict(counts + Counter({f"dropped: {reason}": count for reason, count in dropped.items()}))


def finish(stage: Stage) -> StageResult:
    """Register the variants and their average."""
    names = variant_names(len(recipe_of(stage.round).sft))
    reward_model = stage_checkpoint(stage.round, Stage.Name.REWARD_MODEL, "average")
    parents = {name: [(stage.round.base, "initial"), (reward_model, "picked the data")] for name in names}
    return {**stage.result, **checkpoints_register(stage, Checkpoint.Kind.SFT, [*names, "average"], parents)}
