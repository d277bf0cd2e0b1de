"""Imports from the page: a file is kept, a worker reads it, the page shows how far it is.

A job whose worker died is started again by anybody who looks: what is there already is not added twice.
"""

import logging
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from celery import current_app
from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _
from kombu.exceptions import OperationalError

from accounts.errors import Conflict
from accounts.models import User
from accounts.services import audit_record
from annotation.import_settings import import_limits
from annotation.importing.preferences import Format, read_preferences
from annotation.importing.prompts import read_prompts
from annotation.importing.refusal import Refusal
from annotation.models import ImportJob, Project
from annotation.services.preferences import ImportCounts, preferences_import
from annotation.services.prompts import PromptCounts, prompts_import

logger = logging.getLogger(__name__)

TASK = "annotation.import_tasks.import_run"
STALE_AFTER = timedelta(seconds=60)
"""A job without a sign of life for so long has lost its worker."""
SIGN_SECONDS = 1.0
MAX_REFUSALS = 50
RowT = TypeVar("RowT")


def import_start(
    project: Project,
    file: "UploadedFile[bytes]",
    *,
    kind: ImportJob.Kind,
    options: dict[str, object],
    actor: User,
) -> ImportJob:
    """Keep the file and ask a worker to read it."""
    with transaction.atomic():
        job = ImportJob.objects.create(
            project=project,
            kind=kind,
            file_name=(file.name or "file").replace("\0", "")[-200:],
            num_bytes=file.size or 0,
            options=options,
            created_by=actor,
        )
        path = import_path(job)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as out:
            for chunk in file.chunks():
                out.write(chunk)
        audit_record(
            actor, "import.start", job, {"file": job.file_name, "bytes": job.num_bytes, "kind": kind}
        )
        transaction.on_commit(lambda: _send(job.pk))
    return job


def import_restart(job: ImportJob, *, actor: User) -> None:
    """Ask again for a job that waits or has lost its worker. Raises Conflict for one at work or over."""
    if not is_stale(job):
        raise Conflict(_("This import is at work or over: reload the page to see how far it is."))
    with transaction.atomic():
        ImportJob.objects.filter(pk=job.pk).update(state=ImportJob.State.WAITING, seen_at=timezone.now())
        audit_record(actor, "import.restart", job, {})
        transaction.on_commit(lambda: _send(job.pk))


def is_stale(job: ImportJob) -> bool:
    """Whether nobody seems to be at work on a job that is not over."""
    is_open = job.state in (ImportJob.State.WAITING, ImportJob.State.RUNNING)
    return is_open and timezone.now() - job.seen_at > STALE_AFTER


def import_run(job_id: int) -> None:
    """Read the job's file to its end, unless somebody else does."""
    job = _claim(job_id)
    if job is None:
        return
    refusals: list[str] = []

    def note(refusal: Refusal) -> None:
        if len(refusals) < MAX_REFUSALS:
            refusals.append(str(refusal)[:300])

    try:
        counts = _import(job, note)
    except OSError as error:
        _finish(job, error=_("The file cannot be read: %(why)s. Upload it again.") % {"why": error.strerror})
    else:
        _finish(job, counts=counts, refusals=refusals)
    shutil.rmtree(import_path(job).parent, ignore_errors=True)


def import_path(job: ImportJob) -> Path:
    """Where the job's file lies until it has been read."""
    return Path(settings.ACCORD_VAR) / "imports" / str(job.pk) / "file"


def _import(job: ImportJob, note: Callable[[Refusal], None]) -> ImportCounts | PromptCounts:
    path, limits, actor = import_path(job), import_limits(), job.created_by
    if job.kind == ImportJob.Kind.PROMPTS:
        prompts = _watched(job, read_prompts(path, limits=limits))
        holdout = float(job.options.get("holdout", 0))
        return prompts_import(job.project, prompts, holdout=holdout, on_refusal=note, actor=actor)
    given = job.options.get("format")
    rows = _watched(job, read_preferences(path, Format(given) if given else None, limits=limits))
    return preferences_import(
        job.project, rows, round_number=job.options.get("round"), on_refusal=note, actor=actor
    )


def _watched(job: ImportJob, rows: Iterable[RowT]) -> Iterator[RowT]:
    """The rows, with a sign of life every second."""
    said = time.monotonic()
    for number, row in enumerate(rows, start=1):
        if time.monotonic() - said > SIGN_SECONDS:
            said = time.monotonic()
            ImportJob.objects.filter(pk=job.pk).update(read=number, seen_at=timezone.now())
        yield row


def _claim(job_id: int) -> ImportJob | None:
    """The job, now this worker's; None where another has it or it is over."""
    lost = Q(state=ImportJob.State.RUNNING, seen_at__lt=timezone.now() - STALE_AFTER)
    taken = ImportJob.objects.filter(Q(state=ImportJob.State.WAITING) | lost, pk=job_id).update(
        state=ImportJob.State.RUNNING, seen_at=timezone.now()
    )
    return ImportJob.objects.select_related("project", "created_by").get(pk=job_id) if taken else None


def _finish(
    job: ImportJob,
    *,
    counts: ImportCounts | PromptCounts | None = None,
    refusals: list[str] | None = None,
    error: str = "",
) -> None:
    job.state = ImportJob.State.FAILED if error else ImportJob.State.FINISHED
    job.error, job.refusals = error, refusals or []
    if counts is not None:
        job.read, job.kept, job.already_there = counts.read, counts.kept, counts.already_there
        job.refused = [[reason.value, number] for reason, number in counts.refused.most_common()]
    job.seen_at = job.finished_at = timezone.now()
    job.save()


def _send(job_id: int) -> None:
    try:
        current_app.send_task(TASK, args=[job_id], queue="default")
    except OperationalError as error:
        logger.warning("import %s was not sent; the page offers to start it again: %s", job_id, error)
