"""How a stage lays out its programs: run folders, their configurations, and the checkpoints they make."""

from pathlib import Path

from django.conf import settings

from alignment.models import Program, Round, Stage
from alignment.programs import AverageConfig
from alignment.recipe import RoundRecipe, parse_recipe
from alignment.stages.definition import StageResult
from pretrain.run import ProgramConfig, RunFolder
from registry.models import Checkpoint
from registry.services import checkpoint_adopt

TRAINING = "training"
SAMPLING = "sampling"


def recipe_of(round_: Round) -> RoundRecipe:
    """The recipe the round was launched with."""
    return parse_recipe(round_.recipe)


def stage_folder(stage: Stage) -> Path:
    """Where the stage's inputs and run folders lie; a retried stage begins in a new one."""
    folder: Path = (
        settings.ACCORD_RUNS / stage.round.project.slug / f"round-{stage.round.number}" / stage.name
    )
    return folder / f"attempt-{stage.attempt}"


def checkpoint_path(checkpoint: Checkpoint) -> Path:
    """Where a registered checkpoint lies."""
    return Path(checkpoint.path)


def checkpoint_out(stage: Stage, name: str) -> Path:
    """The checkpoint folder that the program `name` of the stage writes."""
    return stage_folder(stage) / name / "checkpoint"


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
    program, _ = Program.objects.update_or_create(
        stage=stage,
        name=name,
        defaults={
            "module": module,
            "queue": queue,
            "group": group,
            "folder": str(folder),
            "num_threads": num_threads,
            "state": Program.State.PENDING,
            "result": {},
            "error": "",
        },
    )
    return program


def average_add(stage: Stage, checkpoints: list[Path], *, group: int) -> Program:
    """Plan the average of `checkpoints` as the stage's program "average"."""
    config = AverageConfig(checkpoints=tuple(checkpoints), out=checkpoint_out(stage, "average"))
    return program_add(stage, "average", "alignment.training.average", config, queue=TRAINING, group=group)


def checkpoints_register(
    stage: Stage, kind: Checkpoint.Kind, names: list[str], parents: dict[str, list[tuple[Checkpoint, str]]]
) -> StageResult:
    """Register the checkpoints that the stage's programs `names` wrote.

    `parents` gives each one's parents with their part in it. Returns the result to keep: the ids by name.
    """
    ids: dict[str, int] = {}
    made: dict[str, Checkpoint] = {}
    round_ = stage.round
    results = {program.name: program.result for program in stage.programs.all()}
    for name in names:
        own_parents = list(parents.get(name, []))
        if name == "average":
            own_parents += [(made[member], "averaged") for member in names if member in made]
        made[name] = checkpoint_adopt(
            folder=checkpoint_out(stage, name),
            store=settings.ACCORD_CHECKPOINTS,
            name=f"{round_.project.slug}-r{round_.number}-{stage.name.replace('_', '-')}-{name}",
            kind=Checkpoint.Kind.AVERAGE
            if name == "average" and kind != Checkpoint.Kind.REWARD_MODEL
            else kind,
            parents=own_parents,
            recipe=round_.recipe,
            metrics=results.get(name, {}),
            produced_by=f"{stage} {name}",
        )
        ids[name] = made[name].pk
    return {"checkpoints": ids}


def stage_checkpoint(round_: Round, stage_name: Stage.Name, name: str) -> Checkpoint:
    """The checkpoint that a finished stage of the round registered as `name`."""
    stage = Stage.objects.get(round=round_, name=stage_name)
    return Checkpoint.objects.get(pk=stage.result["checkpoints"][name])


def variant_names(count: int) -> list[str]:
    """The names of a stage's variants, from `variant-1`."""
    return [f"variant-{index + 1}" for index in range(count)]
