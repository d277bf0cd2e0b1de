"""Runs one program for a Celery worker: claims it, starts it, follows its files, and records how it ended.

The claim is one UPDATE guarded by state and attempt, so a message delivered twice starts nothing. The
lease in the row is renewed while the program lives; a worker that dies stops renewing, and whoever
advances the round gives the program to another. A worker that cannot reach the database is in the same
place: its program's keeper, which hears of every renewal, stops the program well before the lease ends.
A program that runs as a job of a cluster goes on without its worker, and the next one finds it again.
A worker that is asked to end hands its programs on (`alignment.draining`).
"""

import json
import logging
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone

from accounts.errors import AccordError
from alignment.artifacts import ArtifactError, checkpoint_fetch, checkpoints_absent
from alignment.draining import DRAIN
from alignment.endings import database_lost, stalled
from alignment.launching.choosing import launcher_of, work_of
from alignment.launching.interface import Job, Launcher, LaunchError, Work
from alignment.messages import program_moved
from alignment.models import Program
from alignment.progress import ProgressTail, StallWatch
from alignment.usage import UsageMeter
from alignment.worker_identity import worker_identity
from pretrain.failures import Failure
from pretrain.run import RunFolder

logger = logging.getLogger(__name__)

LEASE: timedelta = settings.ACCORD_PROGRAM_LEASE
SILENCE_SECONDS = LEASE.total_seconds() * 2 / 3
"""Without a renewal for so long the program is stopped: with its grace it has ended before the lease does."""
LATEST_RENEWAL_SECONDS = LEASE.total_seconds() / 12
"""A renewal that took longer is not told to the keeper: the lease counts from its beginning."""
RENEW_SECONDS = 1.0
POLL_SECONDS = 0.1
GRACE_SECONDS = LEASE.total_seconds() / 6
MAX_RETRIES: int = settings.ACCORD_PROGRAM_ATTEMPTS
"""How often in a row a program that got no further is tried again by itself."""

LOST_DATABASE = (OperationalError, InterfaceError)


class ProgramLost(AccordError):
    """The program is no longer this worker's: it was cancelled or given to another."""


class HandedOn(Exception):
    """The worker is to end, and the program is not done."""


def program_claim(program_id: int, attempt: int) -> Program | None:
    """Make the program this worker's, or None where the message is void."""
    now = timezone.now()
    claimed = Program.objects.filter(id=program_id, attempt=attempt, state=Program.State.QUEUED).update(
        state=Program.State.RUNNING,
        lease_expires_at=now + LEASE,
        worker=worker_identity(),
        started_at=now,
        progressed_at=now,
        error="",
    )
    return Program.objects.select_related("stage").get(id=program_id) if claimed else None


def program_refuse(program_id: int, attempt: int) -> None:
    """Say that nobody has begun it, so that another worker is sent it at once."""
    Program.objects.filter(id=program_id, attempt=attempt, state=Program.State.QUEUED).update(
        state=Program.State.PENDING
    )


def program_run(program: Program) -> None:
    """Run a claimed program to its end and record the end. Kills it if it is cancelled meanwhile."""
    folder = RunFolder(Path(program.folder))
    lease = Lease(program)
    work = work_of(program, folder, grace=GRACE_SECONDS, silence=SILENCE_SECONDS)
    try:
        try:
            failure = _run(program, work, launcher_of(folder), lease)
        except (ArtifactError, LaunchError) as error:
            failure = error.failure
        if lease.unheard < LEASE.total_seconds():  # else another may be at work in the folder
            folder.tidy()
        _record_end(program, folder, failure, lease)
    except HandedOn:
        logger.info("%s is handed on: the worker ends.", lease.name)
        with suppress(ProgramLost):
            _record(program, lease, {"state": Program.State.PENDING, "pid": None, "lease_expires_at": None})
    except ProgramLost as lost:
        logger.info("%s", lost)
        with suppress(*LOST_DATABASE):
            if Program.objects.filter(id=program.id, state=Program.State.CANCELLED).exists():
                folder.tidy()


class Lease:
    """The worker's right to a program, as its row says."""

    def __init__(self, program: Program) -> None:
        # Not the row's own words, which ask the database.
        self.name = f"program {program.pk} ({program.name}, attempt {program.attempt})"
        self._mine = Program.objects.filter(
            id=program.id, attempt=program.attempt, state=Program.State.RUNNING
        )
        self.renewed = time.monotonic()

    @property
    def unheard(self) -> float:
        """Seconds since the beginning of the last renewal."""
        return time.monotonic() - self.renewed

    def renew(self, **values: object) -> bool:
        """Write `values` and renew; whether the database could be reached. Raises ProgramLost."""
        began = time.monotonic()
        if not self.write(lease_expires_at=timezone.now() + LEASE, **values):
            return False
        self.renewed = began
        return True

    def write(self, **values: object) -> bool:
        """Write `values`; whether the database could be reached. Raises ProgramLost where it is not ours."""
        try:
            if not self._mine.update(**values):
                raise ProgramLost(f"{self.name} was cancelled or given to another worker.")
        except LOST_DATABASE as error:
            logger.warning("%s: the database cannot be reached, trying again: %s", self.name, error)
            # A connection that broke once never works again; the next statement opens a new one.
            connection.close()
            return False
        return True


def _run(program: Program, work: Work, launcher: Launcher, lease: Lease) -> Failure | None:
    """Run the program, or follow the job that a worker before us started; why it did not finish.

    Raises ArtifactError, LaunchError, ProgramLost.
    """
    job = launcher.find(work)
    if program.job and (job is None or job.handle != program.job):
        launcher.end(work, program.job)  # of an attempt in another folder
    if job is None:
        work.folder.tidy()
        if work.folder.read_result() is not None:
            return None
        for checkpoint in checkpoints_absent(json.loads(work.folder.config_path.read_text())):
            checkpoint_fetch(checkpoint, lease.renew)
        job = launcher.start(work)
    failure = _follow(program, work.folder, job, lease)
    job.close()
    return failure


def _follow(program: Program, folder: RunFolder, job: Job, lease: Lease) -> Failure | None:
    """Renew the lease and publish progress until the job ends; why it did not finish. Raises HandedOn."""
    tail = ProgressTail(folder)
    watch = StallWatch(folder, program.stall_seconds, time.monotonic())
    meter = None if job.pid is None else UsageMeter(folder, job.pid)
    values: dict[str, object] = {"pid": job.pid, "job": job.handle}
    looked = -RENEW_SECONDS
    try:
        while job.running:
            if DRAIN.is_due:
                job.leave()
                break
            now = time.monotonic()
            if now - looked < RENEW_SECONDS:
                time.sleep(POLL_SECONDS)
                continue
            looked = now
            if meter is not None:
                meter.measure()
            if job.waiting:
                watch = StallWatch(folder, program.stall_seconds, now)
            quiet = watch.stalled(now)
            if quiet is not None:
                job.stop()
                return stalled(folder, quiet)
            if watch.look(now):
                progress = tail.latest() or {}
                values |= {name: progress[name] for name in ("done", "total", "unit") if name in progress}
                values["progressed_at"] = timezone.now()
            if lease.renew(**values):
                if values:
                    program_moved(program.round_id, program.id)
                values = {}
                if lease.unheard < LATEST_RENEWAL_SECONDS:
                    job.hear()
    except ProgramLost:
        if not _is_given_away(program):
            job.stop()
        raise
    finally:
        if job.running:
            job.leave()
    if DRAIN.is_due and (job.running or folder.read_result() is None):
        raise HandedOn
    failure = job.failure()
    if failure is not None and not job.handle and lease.unheard > SILENCE_SECONDS:
        return database_lost(lease.unheard)
    return failure


def _is_given_away(program: Program) -> bool:
    """Whether another worker has the program, or may have: then a job of a cluster is that worker's."""
    try:
        return not Program.objects.filter(pk=program.pk, attempt=program.attempt).exists()
    except LOST_DATABASE:
        return True


def _record_end(program: Program, folder: RunFolder, failure: Failure | None, lease: Lease) -> None:
    """Write the end into the row, as soon as the database can be reached.

    Raises ProgramLost where the program is another's by then: what it did lies in its folder.
    """
    values: dict[str, object] = {
        "error": "" if failure is None else failure.sentence,
        "pid": None,
        "job": "",
        "lease_expires_at": None,
    }
    progress = ProgressTail(folder, from_start=True).latest()
    if progress:
        values |= {name: progress[name] for name in ("done", "total", "unit")}
    if failure is None:
        values |= {"state": Program.State.FINISHED, "result": folder.read_result() or {}}
        values["finished_at"] = timezone.now()
    else:
        values |= _after_failure(program, failure, done=int(progress["done"]) if progress else 0)
    _record(program, lease, values)


def _record(program: Program, lease: Lease, values: Mapping[str, object]) -> None:
    """Write the values as soon as the database can be reached. Raises ProgramLost."""
    while not lease.write(**values):
        if lease.unheard > LEASE.total_seconds():
            raise ProgramLost(f"{lease.name} ended, but the database could not be told.")
        time.sleep(RENEW_SECONDS)
    program_moved(program.round_id, program.id)


def _after_failure(program: Program, failure: Failure, *, done: int) -> dict[str, object]:
    """What becomes of a program that did not finish: tried again, up to a limit, where it may pass.

    Tries count from the last one that got further than any before it.
    """
    retries = 0 if done > program.furthest else program.num_retries
    if failure.may_pass and retries < MAX_RETRIES:
        return {
            "state": Program.State.PENDING,
            "num_retries": retries + 1,
            "furthest": max(done, program.furthest),
        }
    ended = {"state": Program.State.FAILED, "finished_at": timezone.now()}
    if failure.may_pass:
        ended["error"] = f"{failure.sentence} It was tried {retries + 1} times."
    return ended
