"""What a launch would do: which programs would run, which take over what is there, and what that hangs on.

The stages are started for real, in a transaction that is rolled back and folders that are removed: as far as
everything can be taken over, the next stage's inputs are known. From the first program that would have to run
the rest "depends on" it, for its output decides. `alignment.forecast` may fill in `seconds` better than the
time that the last such program took.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from django.db import transaction

from alignment.advancing import DEFINITIONS
from alignment.fencing import stage_take, stage_write
from alignment.models import Program, Round, Stage
from alignment.recipe import RoundRecipe
from alignment.reuse import artifact_for, program_fingerprint, program_reuse
from alignment.selectors import QUALITY_PROGRAM
from alignment.services import refuse_second_round, refuse_what_cannot_succeed, round_create
from alignment.stages.collect import comparisons_missing
from alignment.stages.evaluation import JUDGE_PROGRAM
from alignment.stages.evaluation import PROGRAM as EVALUATION_PROGRAM
from alignment.stages.plan import stage_folder, variant_names
from alignment.stages.rejection_sampling import PROGRAM as SAMPLING_PROGRAM
from annotation.models import Project
from registry.models import Checkpoint

DRY_RUN = 0
"""The run of a number that is none."""
PEOPLE = "the judgements to come"


@dataclass(frozen=True, kw_only=True)
class PlannedProgram:
    """One program of a round that is not launched yet."""

    stage: str
    name: str
    does: Literal["run", "reuse", "depends"]
    depends_on: str = ""
    """What decides whether it would run: "stage/program", or the judgements to come."""
    seconds: float | None = None
    """How long it would run: None where nobody knows, 0 where it is taken over."""


def dry_run(
    project: Project, base: Checkpoint, recipe: RoundRecipe, *, number: int, from_stage: str = ""
) -> list[PlannedProgram]:
    """Every program of such a round, in order. Raises Invalid or Conflict where it would be refused."""
    refuse_what_cannot_succeed(project, base, recipe, number=number)
    folder: Path | None = None
    try:
        with transaction.atomic():
            refuse_second_round(project)
            round_ = round_create(
                Round(
                    project=project,
                    number=number,
                    run=DRY_RUN,
                    base=base,
                    recipe=recipe.model_dump(mode="json"),
                    fresh_from=from_stage,
                )
            )
            folder = stage_folder(round_.stages.all()[0]).parent.parent
            planned = list(_planned(round_, recipe))
            transaction.set_rollback(True)
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
    return planned


def _planned(round_: Round, recipe: RoundRecipe) -> Iterator[PlannedProgram]:
    waits_for = ""
    for definition in DEFINITIONS.values():
        names = program_names(definition.name, recipe)
        if waits_for:
            yield from (_depending(round_, definition.name, name, waits_for) for name in names)
            continue
        stage = stage_take(round_.pk)
        assert stage is not None and stage.name == definition.name, (stage, definition.name)
        if stage.name in (Stage.Name.GATE, Stage.Name.DEPLOY):
            return
        stage_write(stage, attempt=1)
        definition.start(stage)
        stage_write(stage, state=Stage.State.RUNNING, result=stage.result, total=stage.total)
        if stage.name == Stage.Name.COLLECT and stage.total and comparisons_missing(stage) > 0:
            waits_for = PEOPLE
            continue
        planned = list(_programs(stage))
        yield from planned
        computed = [each for each in planned if each.does != "reuse"]
        if computed:
            waits_for = f"{computed[-1].stage}/{computed[-1].name}"
        else:
            stage_write(stage, result=definition.finish(stage), state=Stage.State.FINISHED)


def _programs(stage: Stage) -> Iterator[PlannedProgram]:
    """What the stage's programs would do; those that are taken over are, so that others see their outputs."""
    to_come: dict[str, str] = {}
    for program in stage.programs.all():
        inputs = [*program.plan["inputs"], *program.plan["run_folders"]]
        waits_for = [
            name for path, name in to_come.items() if any(Path(each).is_relative_to(path) for each in inputs)
        ]
        program.fingerprint = "" if waits_for else program_fingerprint(program)
        artifact = artifact_for(stage, program.fingerprint)
        if artifact is not None and program_reuse(stage, program, artifact):
            yield PlannedProgram(stage=stage.name, name=program.name, does="reuse", seconds=0.0)
            continue
        to_come |= dict.fromkeys((program.folder, *program.plan["outputs"].values()), program.name)
        seconds = _last_seconds(stage.round, stage.name, program.name)
        yield PlannedProgram(
            stage=stage.name,
            name=program.name,
            does="depends" if waits_for else "run",
            depends_on=", ".join(f"{stage.name}/{name}" for name in dict.fromkeys(waits_for)),
            seconds=seconds,
        )


def _depending(round_: Round, stage: str, name: str, waits_for: str) -> PlannedProgram:
    seconds = _last_seconds(round_, stage, name)
    return PlannedProgram(stage=stage, name=name, does="depends", depends_on=waits_for, seconds=seconds)


def _last_seconds(round_: Round, stage: str, name: str) -> float | None:
    """How long the project's last such program ran."""
    earlier = Program.objects.filter(stage__round__project=round_.project, stage__name=stage, name=name)
    ran = earlier.filter(state=Program.State.FINISHED, reused_from=None, finished_at__isnull=False)
    last = ran.order_by("-finished_at").first()
    if last is None or last.started_at is None or last.finished_at is None:
        return None
    return (last.finished_at - last.started_at).total_seconds()


def program_names(stage: Stage.Name, recipe: RoundRecipe) -> list[str]:
    """The programs that a stage would have, before it can be asked."""
    num_shards = recipe.rejection.num_shards
    shards = [f"shard-{number + 1}" for number in range(num_shards)] if num_shards > 1 else []
    judges = [] if recipe.gate.judge is None else [JUDGE_PROGRAM]
    return {
        Stage.Name.REWARD_MODEL: [*variant_names(len(recipe.reward)), "average"],
        Stage.Name.REJECTION_SAMPLING: [*shards, SAMPLING_PROGRAM],
        Stage.Name.SFT: [QUALITY_PROGRAM, *variant_names(len(recipe.sft)), "average"],
        Stage.Name.DPO: variant_names(len(recipe.dpo)),
        Stage.Name.AVERAGING: ["average"],
        Stage.Name.EVALUATION: [EVALUATION_PROGRAM, *judges],
    }.get(stage, [])
