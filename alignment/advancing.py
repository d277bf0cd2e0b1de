"""Advances rounds: decides from the database alone what to do next, and does it.

Called by the clock and whenever a program ends, by any number of callers at once. An advisory lock spares
them each other's work; what makes it safe is the fencing token of the stage (`alignment.fencing`), for a
lock is lost with its connection while its holder may live on. Every step may be repeated after a crash.
"""

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection, transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from accounts.errors import AccordError
from accounts.services import audit_record
from alignment.fencing import StepLost, round_locked, stage_take, stage_write, step_held
from alignment.messages import program_moved, program_run_send, round_changed
from alignment.models import Artifact, Program, Round, Stage
from alignment.recipe import RecipeError
from alignment.reuse import artifact_for, program_fingerprint, program_reuse, program_settle, programs_settle
from alignment.stages import STAGES, StageDefinition
from alignment.stages.plan import stage_folder
from alignment.unfinished import unfinished_continue
from webhooks.events import Event
from webhooks.services import emit

logger = logging.getLogger(__name__)

DEFINITIONS = {definition.name.value: definition for definition in STAGES}
MAX_LOST: int = settings.ACCORD_PROGRAM_ATTEMPTS
"""Workers that may vanish with one program before its stage fails."""
LOCK_SPACE = 0x41434344
RESEND_AFTER = timedelta(seconds=30)


def rounds_advance() -> None:
    """Advance every running round. What is wrong with one does not hold up the others."""
    _leases_clear()
    for round_id in Round.objects.filter(state=Round.State.RUNNING).values_list("pk", flat=True):
        round_advance(round_id)


def round_advance(round_id: int) -> None:
    """Take the round as far as it can go now."""
    with _advisory_lock(round_id) as locked:
        if not locked:
            return
        with suppress(StepLost):
            while _step(round_id):
                pass


def _step(round_id: int) -> bool:
    """Do the next thing of the round; whether there may be more to do at once."""
    stage = stage_take(round_id)
    if stage is None:
        _round_finish(round_id)
        return False
    try:
        return _stage_step(stage, DEFINITIONS[stage.name])
    except (AccordError, RecipeError, OSError) as error:
        stage_fail(stage, str(error))
    except (DatabaseError, InterfaceError, StepLost):
        raise
    except Exception as error:
        # A fault of ours. Tried again by every tick it would be seen by nobody.
        logger.exception("%s could not go on", stage)
        stage_fail(stage, f"{type(error).__name__}: {error}. The worker's log has the traceback.")
    return False


def _stage_step(stage: Stage, definition: StageDefinition) -> bool:
    """Start, follow or finish one stage; whether the round moved on."""
    if stage.state == Stage.State.PENDING:
        programs_settle()  # those of an earlier attempt are about to be planned anew
        # Before any work, so that a start repeated after a crash has a folder of its own.
        stage_write(stage, attempt=stage.attempt + 1, started_at=timezone.now(), finished_at=None, error="")
        # What lies there is of another life of the database, from before a backup was put back.
        shutil.rmtree(stage_folder(stage), ignore_errors=True)
        definition.start(stage)
        stage_write(
            stage,
            state=Stage.State.RUNNING,
            result=stage.result,
            done=stage.done,
            total=stage.total,
            unit=stage.unit,
        )
        return True
    failed, reused = _programs_follow(stage)
    if failed is not None:
        stage_fail(stage, f"{failed.name}: {failed.error}")
        return False
    if reused:
        return True
    shown = _shown(stage)
    if not definition.poll(stage):
        if _shown(stage) != shown:
            _show(stage, waited=shown["state"] == Stage.State.WAITING)
        return False
    result = definition.finish(stage)
    ended = {"state": Stage.State.FINISHED, "result": result, "finished_at": timezone.now()}
    with step_held(stage):
        stage_write(stage, **{**_shown(stage), **ended})
        audit_record(None, "stage.finish", stage, {"attempt": stage.attempt})
    return True


def _shown(stage: Stage) -> dict[str, object]:
    """What a poll may change."""
    return {"state": stage.state, "done": stage.done, "total": stage.total, "unit": stage.unit}


def _show(stage: Stage, *, waited: bool) -> None:
    with step_held(stage):
        stage_write(stage, **_shown(stage))
        if stage.name in Stage.GATES and stage.state == Stage.State.WAITING and not waited:
            told = {**_told(stage.round), "stage": stage.name}
            emit(Event.GATE_WAITING, told, project=stage.round.project_id)


def _round_finish(round_id: int) -> None:
    with transaction.atomic():
        round_ = round_locked(round_id)
        if round_.state != Round.State.RUNNING:
            return
        Round.objects.filter(pk=round_id).update(state=Round.State.FINISHED, finished_at=timezone.now())
        audit_record(None, "round.finish", round_, {})
        emit(Event.ROUND_FINISHED, _told(round_), project=round_.project_id)
        round_changed(round_id)


def stage_fail(stage: Stage, sentence: str) -> None:
    """Mark the stage and its round as failed; the page shows the sentence and offers a retry.

    Raises StepLost where another has taken the stage since.
    """
    now = timezone.now()
    with step_held(stage):
        stage_write(stage, state=Stage.State.FAILED, error=sentence, finished_at=now)
        programs_cancel(stage.programs.all())
        Round.objects.filter(pk=stage.round_id).update(state=Round.State.FAILED, finished_at=now)
        audit_record(None, "stage.fail", stage, {"attempt": stage.attempt})
        told = {**_told(stage.round), "stage": stage.name}
        emit(Event.ROUND_FAILED, told, project=stage.round.project_id, texts={"error": sentence})


def programs_cancel(programs: QuerySet[Program]) -> None:
    """Void what has not ended: the workers that run one of them end it."""
    going = [Program.State.PENDING, Program.State.QUEUED, Program.State.RUNNING]
    programs.filter(state__in=going).update(state=Program.State.CANCELLED)


def programs_stop(programs: QuerySet[Program]) -> None:
    """Take back what runs or is about to: its workers stop it, and then give up the lease."""
    going = [Program.State.QUEUED, Program.State.RUNNING]
    programs.filter(state__in=going).update(state=Program.State.PENDING)


def program_release(program: Program) -> None:
    """Say that no process of this attempt is left, so that another may begin in the run folder."""
    mine = Program.objects.filter(pk=program.pk, attempt=program.attempt)
    mine.exclude(state=Program.State.RUNNING).update(lease_expires_at=None, pid=None)


def _told(round_: Round) -> dict[str, object]:
    """What webhooks tell of every round."""
    return {"project": round_.project.slug, "round": round_.pk, "number": round_.number}


def _programs_follow(stage: Stage) -> tuple[Program | None, bool]:
    """Queue what may run now, or take it over from an earlier round; take back what a dead worker held.

    Returns the first failed program, if any, and whether one was taken over, so that others may follow.
    """
    settled = Exists(Artifact.objects.filter(folder=OuterRef("folder")))
    programs = list(stage.programs.annotate(settled=settled))
    for program in programs:
        if program.state == Program.State.FINISHED and program.fingerprint and not program.settled:
            program_settle(program)
    unfinished = [program for program in programs if program.state != Program.State.FINISHED]
    reused = False
    for program in unfinished:
        if program.state in (Program.State.FAILED, Program.State.CANCELLED):
            program.error = program.error or "It was cancelled."
            return program, False
        if program.group > unfinished[0].group:
            break
        if program.state == Program.State.PENDING and _is_held(program):
            continue
        if program.state == Program.State.PENDING:
            reused = _reuse_or_queue(stage, program) or reused
        elif program.state == Program.State.QUEUED and _older(program.started_at, RESEND_AFTER):
            _queue(stage, program)
        elif program.state == Program.State.RUNNING and _lease_ran_out(program):
            program.num_lost += 1
            if program.num_lost >= MAX_LOST:
                program.error = f"Its worker vanished {program.num_lost} times."
                return program, False
            _queue(stage, program)
    return None, reused


def _reuse_or_queue(stage: Stage, program: Program) -> bool:
    """Finish the program with what an earlier one left, or queue it; whether the former."""
    program.fingerprint = program_fingerprint(program)
    artifact = artifact_for(stage, program.fingerprint)
    if artifact is not None and program_reuse(stage, program, artifact):
        return True
    unfinished_continue(stage, program)
    _queue(stage, program)
    return False


def _queue(stage: Stage, program: Program) -> None:
    """Hand the program to its queue under a new attempt, which voids all earlier messages."""
    attempt = program.attempt if program.state == Program.State.QUEUED else program.attempt + 1
    with step_held(stage):
        queued = Program.objects.filter(pk=program.pk, state=program.state, attempt=program.attempt).update(
            state=Program.State.QUEUED,
            attempt=attempt,
            num_lost=program.num_lost,
            fingerprint=program.fingerprint,
            started_at=timezone.now(),
            lease_expires_at=None,
            pid=None,
        )
        if queued:
            program_moved(stage.round_id, program.pk)
            transaction.on_commit(lambda: program_run_send(program.pk, attempt, program.queue))


def _leases_clear() -> None:
    """Take away the leases of workers that vanished while their programs were being stopped."""
    over = Program.objects.filter(lease_expires_at__lt=timezone.now())
    over.exclude(state=Program.State.RUNNING).update(lease_expires_at=None, pid=None)


def _is_held(program: Program) -> bool:
    """Whether a worker may still be at work on it, if only to stop it."""
    return program.lease_expires_at is not None and not _lease_ran_out(program)


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
                # A lost connection has lost the lock as well, and has said so already.
                with suppress(DatabaseError, InterfaceError):
                    cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [LOCK_SPACE, round_id])
