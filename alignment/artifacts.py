"""Checkpoints of this machine, and those in the storage that ARTIFACTS names: sent there, and brought here
when a program or a server needs one that this machine lacks.

A program of its own does it (`registry.artifact_store`), under a keeper: it ends with whoever started it, and
what it left half done is gone on with by the next.
"""

import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection
from django.utils import timezone

from alignment.program_process import process_start
from pretrain.failures import Failure
from pretrain.run import EXIT_USER_ERROR
from registry.models import Checkpoint

logger = logging.getLogger(__name__)

PROGRAM = "registry.artifact_store"
LOOK_SECONDS = 0.1
RENEW_SECONDS = 1.0
LOCK_SPACE = 0x41525446


class ArtifactError(Exception):
    """A checkpoint could not be sent or brought: a Failure that says why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.sentence)
        self.failure = failure


def checkpoints_absent(config: Any) -> list[Checkpoint]:  # Any: JSON
    """The checkpoints that a program's configuration names and that do not lie on this machine."""
    if not settings.ACCORD_ARTIFACTS:
        return []
    absent = {value for value in strings(config) if value.startswith("/") and not Path(value).exists()}
    return list(Checkpoint.objects.filter(path__in=absent)) if absent else []


def checkpoint_fetch(checkpoint: Checkpoint, renew: Callable[[], object] = lambda: None) -> None:
    """Bring the checkpoint to its path. Raises ArtifactError.

    `renew` is called every second: what it raises stops the fetching.
    """
    logger.info("%s is brought from %s", checkpoint, settings.ACCORD_ARTIFACTS)
    _run("pull", checkpoint, renew)


def checkpoints_push() -> int:
    """Send what lies here and was never sent; how many. One caller at a time: others do nothing."""
    if not settings.ACCORD_ARTIFACTS:
        return 0
    num_sent = 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, 0)", [LOCK_SPACE])
        if not cursor.fetchone()[0]:
            return 0
        try:
            for checkpoint in Checkpoint.objects.filter(stored_at=None).order_by("pk"):
                if not Path(checkpoint.path).exists():
                    continue  # a worker of the machine that has it will
                try:
                    _run("push", checkpoint, lambda: None)
                except ArtifactError as error:
                    logger.warning("%s was not sent: %s", checkpoint, error)
                    continue
                Checkpoint.objects.filter(pk=checkpoint.pk).update(stored_at=timezone.now())
                num_sent += 1
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s, 0)", [LOCK_SPACE])
    return num_sent


def strings(config: Any) -> Iterator[str]:  # Any: JSON
    """All strings in it."""
    if isinstance(config, str):
        yield config
    elif isinstance(config, dict | list):
        inner: Iterable[Any] = config.values() if isinstance(config, dict) else config
        for value in inner:
            yield from strings(value)


def _run(what: str, checkpoint: Checkpoint, renew: Callable[[], object]) -> None:
    log: Path = settings.ACCORD_VAR / "artifacts" / f"{what}-{checkpoint.content_hash}.txt"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.unlink(missing_ok=True)
    command = [sys.executable, "-m", PROGRAM, what, settings.ACCORD_ARTIFACTS]
    process = process_start(
        [*command, checkpoint.path, checkpoint.content_hash],
        log=log,
        environment=settings.ACCORD_PROGRAM_ENVIRONMENT(num_threads=1),
    )
    renewed = time.monotonic()
    try:
        while process.running:
            if time.monotonic() - renewed >= RENEW_SECONDS:
                renewed = time.monotonic()
                renew()
            time.sleep(LOOK_SECONDS)
    finally:
        if process.running:
            process.stop()
    if process.returncode:
        told = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        raise ArtifactError(
            Failure(
                sentence=told[-1] if told else f"The transfer ended with status {process.returncode}: retry.",
                may_pass=process.returncode != EXIT_USER_ERROR,
            )
        )
