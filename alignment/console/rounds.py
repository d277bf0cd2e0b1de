"""What the page of a round and the list of rounds show, in few statements however much history there is."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Prefetch, QuerySet
from django.utils.text import capfirst

from alignment.console.curves import LEARNED, metric_plots
from alignment.console.graph import Graph, ProgramShown, StageShown, stage_graph
from alignment.console.problems import problems
from alignment.console.programs import SHORT_LOG_BYTES, ProgramNow, log, metrics, program_now
from alignment.models import Program, Round, Stage
from alignment.selectors import StageProgress, stage_progress
from pretrain.plots import Plot

MOST_SHOWN = 8
"""Programs of a stage whose files a page reads."""
AGAIN_SECONDS = 6
"""How soon a page asks again while programs run or wait: a worker that was killed sends no event."""
TRAINING = "alignment.training"
CURVES_ACTIVE, CURVES_ENDED = 4, 2


@dataclass(frozen=True, kw_only=True)
class Curves:
    """The diagrams of one stage."""

    stage: Stage
    plots: list[Plot]


@dataclass(frozen=True, kw_only=True)
class StageNow:
    """The stage that is under way."""

    stage: Stage
    progress: StageProgress
    seconds_left: float | None
    running: list[ProgramNow]
    """Those that run, and of these not more than fit the page."""
    num_running: int
    counts: list[tuple[str, int]]
    """How many programs are in which state, in words."""
    per_second: float | None
    """All running programs together."""
    tokens_per_second: float | None


def rounds_detailed() -> QuerySet[Round]:
    """Rounds with all that their pages need."""
    found = Round.objects.select_related("project", "base", "launched_by")
    # Results of programs may be long: who shows one reads it.
    programs = Program.objects.defer("result", "plan")
    return found.prefetch_related("stages", Prefetch("stages__programs", programs))


def round_page(round_: Round, now: datetime) -> dict[str, Any]:  # Any: of a template
    """What the page shows besides the round's report; `round_` is one of `rounds_detailed`."""
    stages = list(round_.stages.all())
    rows = [(stage, stage_progress(stage), list(stage.programs.all())) for stage in stages]
    under_way = round_.state in (Round.State.RUNNING, Round.State.PAUSED)
    active = active_stage(stages) if under_way else None
    current = None if active is None else stage_now(active, next(row[1] for row in rows if row[0] is active))
    followed = _followed(stages, active)
    return {
        "stage_rows": rows,
        "graph": graph_of(stages),
        "current": current,
        "problems": problems(round_, stages, now),
        "curves": _curves(stages, active),
        "samples": [] if current is None else _samples(current),
        "followed": followed,
        "log": "" if followed is None else log(followed, SHORT_LOG_BYTES),
        "again": AGAIN_SECONDS if current is not None and _moves_unheard(current.stage) else None,
        "seconds": _seconds(round_, now),
    }


def active_stage(stages: Sequence[Stage]) -> Stage | None:
    """The first that has begun and not ended, else the first that has yet to begin."""
    unfinished = [stage for stage in stages if stage.state != Stage.State.FINISHED]
    begun = [stage for stage in unfinished if stage.state != Stage.State.PENDING]
    return next(iter(begun or unfinished), None)


def stage_now(stage: Stage, progress: StageProgress) -> StageNow:
    """How fast the stage goes."""
    programs = list(stage.programs.all())
    running = [program for program in programs if program.state == Program.State.RUNNING]
    shown = [program_now(program) for program in running[:MOST_SHOWN]]
    paces = [each.pace for each in shown]
    left = [each.seconds_left for each in paces if each.seconds_left is not None]
    states = [program.get_state_display() for program in programs]
    return StageNow(
        stage=stage,
        progress=progress,
        seconds_left=max(left) if left and len(running) <= MOST_SHOWN else progress.seconds_left,
        running=shown,
        num_running=len(running),
        counts=[(state, states.count(state)) for state in dict.fromkeys(states)],
        per_second=_sum([each.per_second for each in paces]),
        tokens_per_second=_sum([each.tokens_per_second for each in paces]),
    )


def graph_of(stages: Sequence[Stage]) -> Graph:
    """The picture of the stages and their programs."""
    return stage_graph([_shown(stage) for stage in stages])


def _shown(stage: Stage) -> StageShown:
    progress = stage_progress(stage)
    programs = [
        ProgramShown(
            pk=program.pk,
            name=program.name,
            state=program.state,
            reused=program.reused_from_id is not None,
        )
        for program in stage.programs.all()
    ]
    ended = stage.state == Stage.State.FINISHED
    return StageShown(
        name=stage.name,
        label=str(capfirst(stage.get_name_display())),
        state=stage.state,
        note="" if ended or not progress.total else f"{min(progress.percent, 100)}%",
        seconds=stage.seconds if ended else None,
        reused=bool(programs) and all(program.reused for program in programs),
        share=1.0 if ended else progress.percent / 100,
        programs=programs,
    )


def _curves(stages: Sequence[Stage], active: Stage | None) -> list[Curves]:
    """Of the stage that trains now; where none does, of all that have trained."""
    trains_now = active is not None and any(
        each.module.startswith(TRAINING) for each in active.programs.all()
    )
    found = []
    for stage in stages:
        if trains_now and stage is not active:
            continue
        programs = [
            program
            for program in stage.programs.all()
            if program.module.startswith(TRAINING) and program.state != Program.State.PENDING
        ]
        runs = {program.name: metrics(program) for program in programs[:MOST_SHOWN]}
        plots = metric_plots(runs, LEARNED, most=CURVES_ACTIVE if trains_now else CURVES_ENDED)
        if plots:
            found.append(Curves(stage=stage, plots=plots))
    return found


def _samples(current: StageNow) -> list[dict[str, Any]]:  # Any: JSON
    """The newest answers that the running programs have shown."""
    rows = [{**row, "program": each.program} for each in current.running for row in each.samples]
    return sorted(rows, key=lambda row: float(row.get("time", 0)), reverse=True)[:4]


def _followed(stages: Sequence[Stage], active: Stage | None) -> Program | None:
    """The program whose log says most of how things stand: one that failed, else the newest that runs."""
    programs = [program for stage in stages for program in stage.programs.all()]
    failed = [program for program in programs if program.state == Program.State.FAILED]
    if failed:
        return failed[0]
    if active is None:
        return None
    running = [each for each in active.programs.all() if each.state == Program.State.RUNNING]
    return running[-1] if running else None


def _moves_unheard(stage: Stage) -> bool:
    moving = (Program.State.RUNNING, Program.State.QUEUED)
    return any(program.state in moving for program in stage.programs.all())


def _seconds(round_: Round, now: datetime) -> float:
    return ((round_.finished_at or now) - round_.created_at) / timedelta(seconds=1)


def _sum(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
