"""Advances rounds: decides from the database alone what to do next, and does it.

Called by the clock and whenever a program ends. An advisory lock in PostgreSQL lets one caller at a
time advance a round; the others leave it alone. Every step may be repeated after a crash.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.utils import timezone

from accounts.errors import AccordError
from alignment.messages import program_run_send
from alignment.models import Program, Round, Stage
from alignment.stages import STAGES, StageDefinition
from webhooks.events import Event
from webhooks.services import emit

MAX_ATTEMPTS = 3
LOCK_SPACE = 0x41434344
RESEND_AFTER = timedelta(seconds=30)


def rounds_advance() -> None:
    """Advance every running round."""
    for round_id in Round.objects.filter(state=Round.State.RUNNING).values_list("pk", flat=True):
        round_advance(round_id)


def round_advance(round_id: int) -> None:
    """Take the round as far as it can go now."""
    with _advisory_lock(round_id) as locked:
        if not locked:
            return
        while _step(round_id):
            pass


def _step(round_id: int) -> bool:
    """Do the next thing of the round; whether there may be more to do at once."""
    round_ = Round.objects.get(pk=round_id)
    if round_.state != Round.State.RUNNING:
        return False
    for definition in STAGES:
        stage = Stage.objects.select_related("round__project", "round__base").get(
            round=round_, name=definition.name
        )
        if stage.state == Stage.State.FINISHED:
            continue
        try:
            return _stage_step(stage, definition)
        except AccordError as error:
            stage_fail(stage, str(error))
            return False
    round_.state = Round.State.FINISHED
    round_.finished_at = timezone.now()
    with transaction.atomic():
        round_.save(update_fields=["state", "finished_at"])
        emit(Event.ROUND_FINISHED, _told(round_), project=round_.project_id)
    return False


def _stage_step(stage: Stage, definition: StageDefinition) -> bool:
    """Start, follow or finish one stage; whether the round moved on."""
    if stage.state == Stage.State.PENDING:
        stage.attempt += 1
        stage.started_at = timezone.now()
        stage.state = Stage.State.RUNNING
        definition.start(stage)
        stage.save()
        return True
    failed = _programs_follow(stage)
    if failed is not None:
        stage_fail(stage, f"{failed.name}: {failed.error}")
        return False
    if not definition.poll(stage):
        with transaction.atomic():
            waited = Stage.objects.filter(pk=stage.pk, state=Stage.State.WAITING).exists()
            stage.save(update_fields=["state", "done", "total", "unit"])
            if stage.name == Stage.Name.GATE and stage.state == Stage.State.WAITING and not waited:
                told = {**_told(stage.round), "stage": stage.name}
                emit(Event.GATE_WAITING, told, project=stage.round.project_id)
        return False
    stage.result = definition.finish(stage)
    stage.state = Stage.State.FINISHED
    stage.finished_at = timezone.now()
    stage.save()
    return True


def stage_fail(stage: Stage, sentence: str) -> None:
    """Mark the stage and its round as failed; the page shows the sentence and offers a retry."""
    stage.programs.filter(
        state__in=[Program.State.PENDING, Program.State.QUEUED, Program.State.RUNNING]
    ).update(state=Program.State.CANCELLED)
    stage.state = Stage.State.FAILED
    stage.error = sentence
    stage.finished_at = timezone.now()
    with transaction.atomic():
        stage.save()
        Round.objects.filter(pk=stage.round_id).update(state=Round.State.FAILED, finished_at=timezone.now())
        told = {**_told(stage.round), "stage": stage.name}
        emit(Event.ROUND_FAILED, told, project=stage.round.project_id, texts={"error": sentence})


def _told(round_: Round) -> dict[str, object]:
    """What webhooks tell of every round."""
    return {"project": round_.project.slug, "round": round_.pk, "number": round_.number}


def _programs_follow(stage: Stage) -> Program | None:
    """Queue what may run now, take back what a dead worker held; the first failed program, if any."""
    programs = list(stage.programs.all())
    unfinished = [program for program in programs if program.state != Program.State.FINISHED]
    if not unfinished:
        return None
    for program in unfinished:
        if program.state == Program.State.FAILED:
            return program
        if program.group > unfinished[0].group:
            break
        if program.state == Program.State.PENDING or (
            program.state == Program.State.QUEUED and _older(program.started_at, RESEND_AFTER)
        ):
            _queue(program)
        elif program.state == Program.State.RUNNING and _lease_ran_out(program):
            if program.attempt >= MAX_ATTEMPTS * stage.attempt:
                program.error = f"Its worker vanished {program.attempt} times."
                return program
            _queue(program)
    return None


def _queue(program: Program) -> None:
    """Hand the program to its queue under a new attempt, which voids all earlier messages."""
    attempt = program.attempt if program.state == Program.State.QUEUED else program.attempt + 1
    queued = Program.objects.filter(pk=program.pk, state=program.state, attempt=program.attempt).update(
        state=Program.State.QUEUED, attempt=attempt, started_at=timezone.now(), lease_expires_at=None
    )
    if queued:
        program_run_send(program.pk, attempt, program.queue)


def _lease_ran_out(program: Program) -> bool:
    return program.lease_expires_at is not None and program.lease_expires_at < timezone.now()


def _older(moment: datetime | None, age: timedelta) -> bool:
    return moment is not None and moment < timezone.now() - age


@contextmanager
def _advisory_lock(round_id: int) -> Iterator[bool]:
    """PostgreSQL's session lock for the round: True where it is ours."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [LOCK_SPACE, round_id])
        locked = bool(cursor.fetchone()[0])
        try:
            yield locked
        finally:
            if locked:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [LOCK_SPACE, round_id])
