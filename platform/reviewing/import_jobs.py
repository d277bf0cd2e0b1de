"""Imports from the page: which runs there are, and asking a worker to draw from one.

A job whose worker died is started again by anybody who looks: the review is stored at once or not at all.
"""

import logging
from datetime import timedelta
from pathlib import Path

from celery import current_app
from django.conf import settings
from django.core.validators import slug_re
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _
from kombu.exceptions import OperationalError

from accounts.errors import Conflict, Invalid
from accounts.models import User
from accounts.services import audit_record
from annotation.models import Project
from reviewing.models import ReviewImport

logger = logging.getLogger(__name__)

TASK = "reviewing.import_tasks.review_import_run"
STALE_AFTER = timedelta(seconds=60)
"""A job without a sign of life for so long has lost its worker."""
RUNS = ("pretrain/*/*-sift", "*/document-reviews/*/sift")
"""Where `manage.py pretrain` and `apply_document_review` leave runs of sift."""
MOST = 20_000
"""Documents of a sample: people judge hundreds."""
MOST_PEOPLE = 50


def runs_offered() -> list[str]:
    """The finished runs of sift below the folder of all runs, newest first."""
    root: Path = settings.ACCORD_RUNS
    found = [
        folder for pattern in RUNS for folder in root.glob(pattern) if (folder / "result.json").is_file()
    ]
    found.sort(key=lambda folder: (folder / "result.json").stat().st_mtime, reverse=True)
    return [str(folder.relative_to(root)) for folder in found]


def refuse_unfit(project: Project, *, name: str, size: int, people_each: int) -> None:
    """Raises Conflict where the project has a review of that name, Invalid for values that are not fit."""
    if not slug_re.fullmatch(name) or len(name) > 64:
        raise Invalid(
            _("%(name)r is no name of a review: give up to 64 letters, digits, - and _.") % {"name": name}
        )
    if not 1 <= size <= MOST:
        raise Invalid(
            _("%(size)d documents cannot be drawn: give 1 to %(most)d.") % {"size": size, "most": MOST}
        )
    if not 1 <= people_each <= MOST_PEOPLE:
        raise Invalid(
            _("%(num)d people cannot judge each document: give 1 to %(most)d.")
            % {"num": people_each, "most": MOST_PEOPLE}
        )
    if project.document_reviews.filter(name=name).exists():
        raise Conflict(
            _("There is a review %(name)r already in %(project)s: choose another name.")
            % {"name": name, "project": project.slug}
        )


def import_start(
    project: Project, *, run: str, name: str, size: int, people_each: int, actor: User
) -> ReviewImport:
    """Ask a worker to draw. Raises Invalid for a run that is not offered; as `refuse_unfit` does."""
    if run not in runs_offered():
        raise Invalid(_("There is no finished run %(run)r: choose one of the list.") % {"run": run})
    refuse_unfit(project, name=name, size=size, people_each=people_each)
    with transaction.atomic():
        job = ReviewImport.objects.create(
            project=project, run=run, name=name, size=size, people_each=people_each, created_by=actor
        )
        audit_record(actor, "document_review.import_start", job, {"run": run, "documents": size})
        transaction.on_commit(lambda: _send(job.pk))
    return job


def import_restart(job: ReviewImport, *, actor: User) -> None:
    """Ask again for a job that waits or has lost its worker. Raises Conflict for one at work or over."""
    if not is_stale(job):
        raise Conflict(_("This import is at work or over: reload the page to see how far it is."))
    with transaction.atomic():
        now = timezone.now()
        ReviewImport.objects.filter(pk=job.pk).update(state=ReviewImport.State.WAITING, seen_at=now)
        audit_record(actor, "document_review.import_restart", job, {})
        transaction.on_commit(lambda: _send(job.pk))


def is_stale(job: ReviewImport) -> bool:
    """Whether nobody seems to be at work on a job that is not over."""
    is_open = job.state in (ReviewImport.State.WAITING, ReviewImport.State.RUNNING)
    return is_open and timezone.now() - job.seen_at > STALE_AFTER


def import_claim(job_id: int) -> ReviewImport | None:
    """The job, now this worker's; None where another has it or it is over."""
    lost = Q(state=ReviewImport.State.RUNNING, seen_at__lt=timezone.now() - STALE_AFTER)
    taken = ReviewImport.objects.filter(Q(state=ReviewImport.State.WAITING) | lost, pk=job_id).update(
        state=ReviewImport.State.RUNNING, seen_at=timezone.now(), num_read=0
    )
    rows = ReviewImport.objects.select_related("project", "created_by")
    return rows.get(pk=job_id) if taken else None


def _send(job_id: int) -> None:
    try:
        current_app.send_task(TASK, args=[job_id], queue="default", retry=False)
    except OperationalError as error:
        logger.warning("an import was not asked for, its page starts it again: %s", error)
