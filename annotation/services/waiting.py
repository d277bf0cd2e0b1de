"""What comes before the shared comparisons: a person's own pairs that are ready. And how long people wait."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from accounts.rows import fetch_one
from accounts.services import audit_record
from annotation.models import Assignment, Comparison, PairRequest, Project, Wait

STALE = timedelta(seconds=60)
"""Who did not look for so long was not waiting: the page asks every few seconds."""

# Both are rare, so that one statement over two small indexes tells most people that there is neither.
QUEUE = """
SELECT r.id, w.since FROM (SELECT 1) one
LEFT JOIN LATERAL (
    SELECT id FROM annotation_pairrequest
    WHERE annotator_id = %(annotator)s AND project_id = %(project)s AND state = 'ready'
    ORDER BY ready_at LIMIT 1
) r ON true
LEFT JOIN annotation_wait w
    ON w.annotator_id = %(annotator)s AND w.project_id = %(project)s AND w.seen_at > %(stale)s
"""


@dataclass(frozen=True, kw_only=True)
class OwnQueue:
    """What is there for one person alone."""

    ready: int | None
    """The oldest pair that was written for them."""
    waiting_since: datetime | None
    """None where they have had something to judge."""


def own_queue(project: Project, annotator: User) -> OwnQueue:
    """One statement; see `OwnQueue`."""
    wanted = {"annotator": annotator.pk, "project": project.pk, "stale": timezone.now() - STALE}
    row = fetch_one(QUEUE, wanted)
    assert row is not None
    return OwnQueue(ready=row[0], waiting_since=row[1])


def ready_pair_take(project: Project, annotator: User, queue: OwnQueue) -> Assignment | None:
    """Hand the person their ready pair; None where there is none, or another window was faster.

    Raises IntegrityError where they hold another comparison.
    """
    if queue.ready is None:
        return None
    with transaction.atomic():
        rows = PairRequest.objects.select_for_update(of=("self",), skip_locked=True)
        request = (
            rows.select_related("left", "right").filter(pk=queue.ready, state=PairRequest.State.READY).first()
        )
        if request is None:
            return None
        return pair_hand_out(request, project, annotator, waiting_since=queue.waiting_since)


def pair_hand_out(
    request: PairRequest, project: Project, annotator: User, *, waiting_since: datetime | None
) -> Assignment:
    """Make the comparison of a locked, ready request and give it to its person. Call it in a transaction."""
    now = timezone.now()
    assert request.left is not None and request.right is not None, request
    comparison = Comparison.objects.create(
        project=project,
        dialog_id=request.dialog_id,
        turn=request.turn,
        round=request.round,
        context=request.context,
        left=request.left,
        right=request.right,
        seed=request.seed,
        needed=1 if request.turn else project.overlap,
    )
    assignment = Assignment.objects.create(
        project=project,
        comparison=comparison,
        annotator=annotator,
        expires_at=now + timedelta(seconds=project.lease_seconds),
    )
    waited = now - max(waiting_since, request.asked_at) if waiting_since else timedelta()
    request.waited_seconds = waited.total_seconds()
    request.state, request.shown_at, request.comparison = PairRequest.State.SHOWN, now, comparison
    request.save(update_fields=["state", "shown_at", "comparison", "waited_seconds"])
    data = {"dialog": request.dialog_id, "turn": request.turn}
    audit_record(annotator, "dialog.turn", comparison, data)
    return assignment


def wait_note(project: Project, annotator: User, queue: OwnQueue) -> None:
    """The person asked and there was nothing: they wait from now on, or still."""
    now = timezone.now()
    Wait.objects.update_or_create(
        project=project,
        annotator=annotator,
        defaults={"since": queue.waiting_since or now, "seen_at": now},
    )


def wait_end(project: Project, annotator: User) -> None:
    """The person has something to judge."""
    Wait.objects.filter(project=project, annotator=annotator).update(since=None)
