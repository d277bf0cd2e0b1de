"""Celery's entry points: each loads a row and calls one function."""

from contextlib import suppress

from celery import shared_task
from celery.signals import worker_ready, worker_shutting_down
from django.db import connection

from accounts.errors import Conflict
from alignment.advancing import program_release, stage_fail
from alignment.advancing import rounds_advance as advance_all
from alignment.artifacts_sending import sender_start
from alignment.dead_workers import dead_workers_leases_end
from alignment.draining import DRAIN
from alignment.fencing import StepLost, stage_seized
from alignment.forecast.trials import speed_trial_run
from alignment.messages import rounds_advance_send
from alignment.metrics_export.exporting import program_export as export_metrics
from alignment.model_comparing import model_comparisons_advance
from alignment.models import PredictionRun, Program, Round, Stage
from alignment.orphan_jobs import orphan_jobs_end
from alignment.predicting import predictions_keep, predictions_plan
from alignment.running import program_claim, program_refuse
from alignment.running import program_run as run_program
from alignment.stages.collect import comparisons_missing
from alignment.stages.data_gate import more_is_no_use
from alignment.stages.plan import recipe_of
from alignment.watching import watch_rounds_and_disk
from annotation.pairing import comparisons_generate
from observing.context import log_ids

PAIRS_LOCK_SPACE = 0x50414952
CHUNK = 200


@shared_task
def rounds_advance() -> None:
    """The clock's tick, or the end of a program: take every running round as far as it can go."""
    advance_all()
    model_comparisons_advance()


@worker_ready.connect  # Celery tells of a worker's start in no other way
def worker_started(**_about: object) -> None:
    """Before its first task: give back what the worker's predecessor held, and look after checkpoints."""
    try:
        dead_workers_leases_end()
    finally:
        connection.close()
    sender_start()


@worker_shutting_down.connect
def worker_ends(**_about: object) -> None:
    """It was asked to end, as by SIGTERM: what it runs is handed on."""
    DRAIN.begin()


@shared_task
def watch() -> None:
    """The clock's slow tick: tell admins of rounds that stand still, and of a disk that is nearly full."""
    watch_rounds_and_disk()
    predictions_plan()
    orphan_jobs_end()


@shared_task
def program_run(program_id: int, attempt: int) -> None:
    """Run one program to its end, unless the message is void or this worker is about to end."""
    if DRAIN.is_asked:
        program_refuse(program_id, attempt)
        rounds_advance_send()
        return
    program = program_claim(program_id, attempt)
    if program is None:
        return
    stage = None if program.stage is None else program.stage.name
    with log_ids(program=program.pk, stage=stage, round=program.round_id):
        run_program(program)
        program_release(program)
        run = PredictionRun.objects.filter(program=program, program__state=Program.State.FINISHED).first()
        if run is not None:
            predictions_keep(run)
        rounds_advance_send()
        export_metrics(program)


@shared_task
def speed_trial(trial_id: int, config: str) -> None:
    """Time a base for forecasts."""
    speed_trial_run(trial_id, config)


@shared_task
def pairs_generate(stage_id: int) -> None:
    """Have the deployed models answer prompts until people have enough pairs to judge."""
    stage = Stage.objects.select_related("round__project").get(pk=stage_id)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [PAIRS_LOCK_SPACE, stage_id])
        if not cursor.fetchone()[0]:
            return
        try:
            while (missing := comparisons_missing(stage)) > 0 and _is_waiting(stage_id):
                comparisons_generate(
                    stage.round.project,
                    num_comparisons=min(missing, CHUNK),
                    round_number=stage.round.number,
                    sampling=recipe_of(stage.round).collect.sampling,
                )
        except Conflict as error:
            # No two different models, no prompts, or never two different answers: asking again is no use.
            with stage_seized(stage_id) as waiting, suppress(StepLost):
                if waiting.state != Stage.State.WAITING:
                    pass
                elif waiting.name == Stage.Name.DATA_GATE:
                    more_is_no_use(waiting, str(error))
                else:
                    stage_fail(waiting, str(error))
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [PAIRS_LOCK_SPACE, stage_id])


@shared_task
def metrics_export() -> None:
    """The clock's slow tick: bring TensorBoard, MLflow and others up to date with what runs."""
    for program in Program.objects.filter(state=Program.State.RUNNING).select_related(
        "stage__round__project"
    ):
        export_metrics(program)


def _is_waiting(stage_id: int) -> bool:
    """Whether the stage still waits for judgements, in a round that is under way."""
    waiting = Stage.objects.filter(pk=stage_id, state=Stage.State.WAITING)
    return waiting.filter(round__state=Round.State.RUNNING).exists()
