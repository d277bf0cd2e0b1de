"""What comes before the shared comparisons: a person's own pairs that are ready. And how long people wait."""

from datetime import timedelta

from django.db import connection, transaction
from django.utils import timezone

from accounts.models import User
from accounts.rows import columns, fetch_one, load, num_columns
from annotation.models import Assignment, Comparison, PairRequest, Project, Response, Wait
from annotation.services.statements import AtWork

TAKE = f"""
UPDATE annotation_pairrequest p
SET state = 'shown', shown_at = %(now)s, waited_seconds = CASE
    WHEN %(since)s::timestamptz IS NULL THEN 0
    ELSE extract(epoch FROM %(now)s - greatest(%(since)s, p.asked_at)) END
FROM annotation_response l, annotation_response r
WHERE p.id = %(request)s AND p.state = 'ready' AND l.id = p.left_id AND r.id = p.right_id
RETURNING {columns(PairRequest, "p")}, {columns(Response, "l")}, {columns(Response, "r")}
"""

NOTE = """
INSERT INTO annotation_wait (project_id, annotator_id, since, seen_at)
SELECT %(project)s, %(annotator)s, %(since)s, %(now)s
WHERE NOT EXISTS (
    SELECT FROM annotation_assignment
    WHERE annotator_id = %(annotator)s AND project_id = %(project)s AND state = 'active'
)
ON CONFLICT (annotator_id, project_id) DO UPDATE SET since = EXCLUDED.since, seen_at = EXCLUDED.seen_at
RETURNING id
"""

LINK = """
WITH ended AS (
    UPDATE annotation_wait SET since = NULL
    WHERE annotator_id = %(annotator)s AND project_id = %(project)s AND since IS NOT NULL
)
UPDATE annotation_pairrequest SET comparison_id = %(comparison)s WHERE id = %(request)s
"""


def ready_pair_take(project: Project, annotator: User, work: AtWork) -> Assignment | None:
    """Hand the person their ready pair; None where there is none, or another window was faster.

    Ends their wait. Raises IntegrityError where they hold another comparison.
    """
    if work.ready is None:
        return None
    with transaction.atomic():
        row = fetch_one(TAKE, {"request": work.ready, "now": timezone.now(), "since": work.waiting_since})
        if row is None:
            return None
        request = load(PairRequest, row)
        request.left = load(Response, row, start=num_columns(PairRequest))
        request.right = load(Response, row, start=num_columns(PairRequest) + num_columns(Response))
        return pair_hand_out(request, project, annotator)


def pair_hand_out(request: PairRequest, project: Project, annotator: User) -> Assignment:
    """Make the comparison of a request that was just marked as shown, and give it to its person.

    Call it in the transaction that marked it.
    """
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
        expires_at=timezone.now() + timedelta(seconds=project.lease_seconds),
    )
    with connection.cursor() as cursor:
        wanted = {"request": request.pk, "comparison": comparison.pk}
        cursor.execute(LINK, {**wanted, "annotator": annotator.pk, "project": project.pk})
    return assignment


def wait_note(project: Project, annotator: User, work: AtWork) -> bool:
    """The person asked and there was nothing: they wait from now on, or still. One statement.

    False, and nothing is noted, where by now they hold something.
    """
    now = timezone.now()
    wanted = {"project": project.pk, "annotator": annotator.pk, "now": now}
    return fetch_one(NOTE, {**wanted, "since": work.waiting_since or now}) is not None


def wait_end(project: Project, annotator: User) -> None:
    """The person has something to judge."""
    Wait.objects.filter(project=project, annotator=annotator).update(since=None)
