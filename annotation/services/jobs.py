"""Generation jobs as workers see them: taking one up, holding on to it, and how it ends.

Taking up is one UPDATE guarded by state and time, so that a message delivered twice asks no model twice.
While it works, a worker puts off the time at which others may take over; a dead one stops doing that.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

from django.db import connection
from django.db.models import F
from django.utils import timezone

from accounts.errors import AccordError, Unavailable
from annotation.models.live import GenerationJob
from registry.client import ModelAway, ModelRefused

logger = logging.getLogger(__name__)

JobT = TypeVar("JobT", bound=GenerationJob)
State = GenerationJob.State
Failure = GenerationJob.Failure

UNFINISHED = (State.WAITING, State.RUNNING)
LEASE = timedelta(seconds=30)
RENEW_SECONDS = 10.0
MAX_ATTEMPTS = 3
PAUSE = timedelta(seconds=5)
"""After the first attempt that found no model; longer after each further one."""


def job_claim(kind: type[JobT], pk: int) -> JobT | None:
    """Take the job up, or None where it is over or in somebody's hands."""
    now = timezone.now()
    taken = kind._default_manager.filter(pk=pk, state__in=UNFINISHED, due_at__lte=now).update(
        state=State.RUNNING, attempts=F("attempts") + 1, due_at=now + LEASE
    )
    if not taken:
        return None
    job = kind._default_manager.get(pk=pk)
    if job.attempts > MAX_ATTEMPTS:
        job_end(job, state=State.FAILED, failure=Failure.LOST)
        return None
    return job


@contextmanager
def job_held(job: GenerationJob) -> Iterator[None]:
    """Hold on to the job, in a thread of its own, for as long as this takes."""
    over = threading.Event()

    def renew() -> None:
        try:
            while not over.wait(RENEW_SECONDS):
                if not _mine(job, due_at=timezone.now() + LEASE):
                    return
        finally:
            connection.close()

    thread = threading.Thread(target=renew, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def job_end(job: GenerationJob, **values: object) -> bool:
    """Write how this attempt ended; False, and nothing is written, where the job is no longer its own."""
    if not _mine(job, **values):
        return False
    for name, value in values.items():
        setattr(job, name, value)
    return True


def job_trouble(job: GenerationJob, error: AccordError, *, last: bool = False) -> None:
    """An attempt failed: again after a pause where the trouble may pass, unless it was the `last` one."""
    logger.warning("%s, attempt %d: %s", job, job.attempts, error)
    if isinstance(error, Unavailable) and job.attempts < MAX_ATTEMPTS and not last:
        pause = PAUSE * 2 ** (job.attempts - 1)
        job_end(job, state=State.WAITING, due_at=timezone.now() + pause)
    else:
        job_end(job, state=State.FAILED, failure=_failure(error))


def _mine(job: GenerationJob, **values: object) -> int:
    rows = type(job)._default_manager.filter(pk=job.pk, attempts=job.attempts, state=State.RUNNING)
    return rows.update(**values)


def _failure(error: AccordError) -> Failure:
    if isinstance(error, ModelAway):
        return Failure.AWAY
    return Failure.REFUSED if isinstance(error, ModelRefused) else Failure.NO_MODELS
