"""How a stage lays out its programs: run folders, their configurations, and the checkpoints they make."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import QuerySet

from accounts.errors import Invalid
from alignment.contents import content_hashes, content_known
from alignment.fencing import step_held
from alignment.fingerprints import plan_of
from alignment.models import Program, Round, Stage
from alignment.programs import AverageConfig
from alignment.recipe import AverageRecipe, RoundRecipe, VariantRecipe, parse_recipe
from alignment.stages.definition import StageResult
from pretrain.run import ProgramConfig, RunFolder
from registry.models import Checkpoint
from registry.services import checkpoint_adopt

TRAINING = "training"
SAMPLING = "sampling"

CANDIDATES = "candidates.jsonl"
"""What rejection sampling leaves in its stage's folder."""


def recipe_of(round_: Round) -> RoundRecipe:
    """The recipe the round was launched with."""
    return parse_recipe(round_.recipe)


def stage_folder(stage: Stage) -> Path:
    """Where the stage's inputs and run folders lie; a retried stage begins in a new one."""
    round_ = stage.round
    run = f"round-{round_.number}" if round_.run == 1 else f"round-{round_.number}-run-{round_.run}"
    folder: Path = settings.ACCORD_RUNS / round_.project.slug / run / stage.name
    return folder / f"attempt-{stage.attempt}"


def checkpoint_path(checkpoint: Checkpoint) -> Path:
    """Where a registered checkpoint lies."""
    return Path(checkpoint.path)


def checkpoint_out(stage: Stage, name: str) -> Path:
    """The checkpoint folder that the program `name` of the stage writes."""
    return stage_folder(stage) / name / "checkpoint"


def training_options(stage: Stage, name: str, variant: VariantRecipe) -> dict[str, Any]:
    """What the recipe says alike of every training program, for the variant `name`; Any: their fields."""
    recipe = recipe_of(stage.round)
    return {
        "out": checkpoint_out(stage, name),
        "optimizer": variant.optimizer,
        "seed": variant.seed,
        "max_tokens_per_microbatch": recipe.max_tokens_per_microbatch,
        "max_row_tokens": recipe.max_row_tokens,
        "precision": recipe.precision,
        "num_threads": recipe.num_threads,
        "num_processes": recipe.num_processes,
        "lora": recipe.lora,
        "device": recipe.device,
        "recompute_activations": recipe.recompute_activations,
        "checkpoint_seconds": recipe.checkpoint_seconds,
    }


def program_add(
    stage: Stage,
    name: str,
    module: str,
    config: ProgramConfig,
    *,
    queue: str,
    group: int = 0,
    num_threads: int = 1,
) -> Program:
    """Write the run folder's `run.json` and make the program's row; doing it twice makes one row."""
    folder = stage_folder(stage) / name
    RunFolder(folder).write_config(config)
    with step_held(stage):
        program, _ = Program.objects.update_or_create(
            stage=stage,
            name=name,
            defaults={
                "module": module,
                "queue": queue,
                "group": group,
                "folder": str(folder),
                "num_threads": num_threads,
                "plan": plan_of(module, config),
                "fingerprint": "",
                "reused_from": None,
                "stall_seconds": recipe_of(stage.round).stall_seconds,
                "state": Program.State.PENDING,
                "num_lost": 0,
                "num_retries": 0,
                "furthest": 0,
                "done": 0,
                "total": 0,
                "result": {},
                "error": "",
                "finished_at": None,
            },
        )
    return program


def average_add(
    stage: Stage, checkpoints: list[Path], *, initial: Path, holdout: Path | None, group: int
) -> Program:
    """Plan the average of `checkpoints`, trained from `initial`, as the stage's program "average".

    Raises Invalid where a greedy soup has no `holdout` to be measured by.
    """
    average = average_recipe(stage)
    method = average.method.name
    if method == "greedy_soup" and holdout is None:
        raise Invalid(
            "A greedy soup is measured by held-out judgements and there are none: raise "
            "snapshot.holdout_fraction, or average by another method."
        )
    before = _average_before(stage)
    num_threads = recipe_of(stage.round).num_threads if method == "greedy_soup" else 1
    config = AverageConfig(
        checkpoints=tuple(checkpoints),
        weights=average.weights,
        method=average.method,
        initial=initial if method == "ties" else None,
        previous=None if before is None else checkpoint_path(before),
        holdout=holdout if method == "greedy_soup" else None,
        reference=initial if method == "greedy_soup" and stage.name == Stage.Name.AVERAGING else None,
        max_row_tokens=recipe_of(stage.round).max_row_tokens,
        num_threads=num_threads,
        out=checkpoint_out(stage, "average"),
    )
    return program_add(
        stage,
        "average",
        "alignment.training.average",
        config,
        queue=TRAINING,
        group=group,
        num_threads=num_threads,
    )


def average_recipe(stage: Stage) -> AverageRecipe:
    """How the stage averages."""
    averaging = recipe_of(stage.round).averaging
    return {
        Stage.Name.REWARD_MODEL.value: averaging.reward,
        Stage.Name.SFT.value: averaging.sft,
        Stage.Name.AVERAGING.value: averaging.dpo,
    }[stage.name]


def earlier_rounds(round_: Round) -> QuerySet[Round]:
    """The project's finished rounds before this one, newest first; of several runs of a number the last."""
    finished = Round.objects.filter(project=round_.project, state=Round.State.FINISHED)
    return finished.filter(number__lt=round_.number).order_by("-number", "-run").distinct("number")


def best_earlier_policy(round_: Round) -> Checkpoint:
    """The averaged policy of the project's newest finished round, else the base."""
    earlier = earlier_rounds(round_).first()
    return round_.base if earlier is None else stage_checkpoint(earlier, Stage.Name.AVERAGING, "average")


def _average_before(stage: Stage) -> Checkpoint | None:
    """What a moving average moves on from: the stage's average in the newest round from the same base."""
    if average_recipe(stage).method.name != "ema":
        return None
    earlier = earlier_rounds(stage.round).filter(base=stage.round.base).first()
    return None if earlier is None else stage_checkpoint(earlier, Stage.Name(stage.name), "average")


def _average_parents(
    stage: Stage, members: list[Checkpoint], result: StageResult
) -> list[tuple[Checkpoint, str]]:
    """The parents of the stage's average: the members that are in it, and the round before where it is."""
    kept: list[int] = result.get("kept", list(range(len(members))))
    before = _average_before(stage)
    moved = [] if before is None else [(before, "moving average")]
    return [*((members[place], "averaged") for place in kept), *moved]


def checkpoints_register(
    stage: Stage, kind: Checkpoint.Kind, names: list[str], parents: dict[str, list[tuple[Checkpoint, str]]]
) -> StageResult:
    """Register the checkpoints that the stage's programs `names` wrote.

    `parents` gives each one's parents with their part in it; an average's are its members, all of `names`
    unless given. Returns the result to keep: the ids by name.
    """
    ids: dict[str, int] = {}
    made: dict[str, Checkpoint] = {}
    round_ = stage.round
    results = {program.name: program.result for program in stage.programs.all()}
    for name in names:
        own_parents = list(parents.get(name, []))
        if name == "average":
            members = [parent for parent, _ in own_parents] or list(made.values())
            own_parents = _average_parents(stage, members, results[name])
        folder = checkpoint_out(stage, name)
        known = content_hashes([folder]).get(folder)
        made[name] = checkpoint_adopt(
            folder=folder,
            content_hash=known,
            store=settings.ACCORD_CHECKPOINTS,
            name=f"{_checkpoint_prefix(round_)}-{stage.name.replace('_', '-')}-{name}",
            kind=Checkpoint.Kind.AVERAGE
            if name == "average" and kind != Checkpoint.Kind.REWARD_MODEL
            else kind,
            parents=own_parents,
            recipe=round_.recipe,
            metrics=results.get(name, {}),
            produced_by=f"{stage} {name}",
        )
        content_known(Path(made[name].path), made[name].content_hash)
        ids[name] = made[name].pk
    return {"checkpoints": ids}


def _checkpoint_prefix(round_: Round) -> str:
    run = "" if round_.run == 1 else f".{round_.run}"
    return f"{round_.project.slug}-r{round_.number}{run}"


def stage_checkpoint(round_: Round, stage_name: Stage.Name, name: str) -> Checkpoint:
    """The checkpoint that a finished stage of the round registered as `name`."""
    stage = Stage.objects.get(round=round_, name=stage_name)
    return Checkpoint.objects.get(pk=stage.result["checkpoints"][name])


def variant_names(count: int) -> list[str]:
    """The names of a stage's variants, from `variant-1`."""
    return [f"variant-{index + 1}" for index in range(count)]
