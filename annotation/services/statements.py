"""The SQL of handing out and judging, written by hand.

Every annotator waits for these. PostgreSQL runs each in a tenth of a millisecond, but Django's ORM takes
3 to 7 ms of CPU to compose such a join anew each time, which the web process would do for every request.
"""

import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import TypeVar

from django.db import connection
from django.db.models import Model
from django.db.models.query import RawQuerySet

from accounts.models import User
from annotation.models import Assignment, Comparison, Project, Response

ModelT = TypeVar("ModelT", bound=Model)

HELD = """
SELECT * FROM annotation_assignment
WHERE annotator_id = %(annotator)s AND project_id = %(project)s AND state = 'active'
"""

# The holders that the subquery counts may be out of date by the time the row is locked: GIVE counts again.
FREE = """
SELECT c.* FROM annotation_comparison c
LEFT JOIN annotation_assignment own ON own.comparison_id = c.id AND own.annotator_id = %(annotator)s
WHERE c.project_id = %(project)s AND c.round = %(round)s AND c.state = 'open'
  AND (own.id IS NULL OR own.state = 'expired')
  AND c.id <> ALL(%(passed_over)s)
  AND c.num_judgements + (
      SELECT count(*) FROM annotation_assignment held
      WHERE held.comparison_id = c.id AND held.state = 'active' AND held.expires_at > %(now)s
  ) < c.needed
ORDER BY c.id LIMIT 1
FOR UPDATE OF c"""

# An assignment that its owner once put aside is taken up again, with its lease and draft.
GIVE = """
INSERT INTO annotation_assignment
    (project_id, comparison_id, annotator_id, lease, expires_at, state, draft, created_at)
SELECT %(project)s, %(comparison)s, %(annotator)s, %(lease)s, %(expires_at)s, 'active', '{}', %(now)s
WHERE %(places)s > (
    SELECT count(*) FROM annotation_assignment held
    WHERE held.comparison_id = %(comparison)s AND held.state = 'active' AND held.expires_at > %(now)s
)
ON CONFLICT (comparison_id, annotator_id) DO UPDATE SET state = 'active', expires_at = EXCLUDED.expires_at
RETURNING *
"""

LOCK = """
SELECT c.*, m.role AS own_role FROM annotation_comparison c
LEFT JOIN annotation_membership m ON m.project_id = c.project_id AND m.user_id = %(annotator)s
WHERE c.id = %(comparison)s
FOR UPDATE OF c
"""

OWN = """
SELECT * FROM annotation_assignment WHERE comparison_id = %(comparison)s AND annotator_id = %(annotator)s
"""

ANSWERS = "SELECT * FROM annotation_response WHERE id IN (%(left)s, %(right)s)"

SUBMIT = """
WITH submitted AS (
    UPDATE annotation_assignment SET state = 'submitted' WHERE id = %(assignment)s RETURNING comparison_id
)
UPDATE annotation_comparison c
SET num_judgements = c.num_judgements + 1,
    state = CASE WHEN c.num_judgements + 1 = c.needed THEN 'full' ELSE c.state END
FROM submitted WHERE c.id = submitted.comparison_id
"""


def held_assignment(project: Project, annotator: User) -> Assignment | None:
    """What the annotator holds in the project, whether or not its time has run out."""
    return _first(Assignment.objects.raw(HELD, {"annotator": annotator.pk, "project": project.pk}))


def free_comparison_lock(
    project: Project, annotator: User, now: datetime, passed_over: Iterable[int], *, wait: bool
) -> Comparison | None:
    """Lock the oldest comparison of the current round that seems to have a place for this person.

    Those that somebody else has locked are passed over, unless `wait`.
    """
    return _first(
        Comparison.objects.raw(
            FREE if wait else f"{FREE} SKIP LOCKED",
            {
                "annotator": annotator.pk,
                "project": project.pk,
                "round": project.current_round,
                "passed_over": list(passed_over),
                "now": now,
            },
        )
    )


def place_take(
    comparison: Comparison, annotator: User, now: datetime, expires_at: datetime
) -> Assignment | None:
    """Hand the locked comparison to the person, or None where others hold all its places.

    Raises IntegrityError where they hold another one of the project.
    """
    return _first(
        Assignment.objects.raw(
            GIVE,
            {
                "project": comparison.project_id,
                "comparison": comparison.pk,
                "annotator": annotator.pk,
                "lease": uuid.uuid4(),
                "now": now,
                "expires_at": expires_at,
                "places": comparison.needed - comparison.num_judgements,
            },
        )
    )


def comparison_lock(comparison_id: int, annotator: User) -> tuple[Comparison | None, str | None]:
    """Lock the comparison; with it comes the person's role in its project."""
    found = _first(Comparison.objects.raw(LOCK, {"comparison": comparison_id, "annotator": annotator.pk}))
    return found, getattr(found, "own_role", None)


def own_assignment(comparison: Comparison, annotator: User) -> Assignment | None:
    """The person's assignment of the comparison, in whatever state."""
    return _first(Assignment.objects.raw(OWN, {"comparison": comparison.pk, "annotator": annotator.pk}))


def answers_load(comparison: Comparison) -> None:
    """Read both responses of the comparison at once."""
    responses = Response.objects.raw(ANSWERS, {"left": comparison.left_id, "right": comparison.right_id})
    by_pk = {response.pk: response for response in responses}
    comparison.left = by_pk[comparison.left_id]
    comparison.right = by_pk[comparison.right_id]


def assignment_submit(assignment: Assignment) -> None:
    """End the assignment with a judgement; its comparison is full if that was the last one needed."""
    with connection.cursor() as cursor:
        cursor.execute(SUBMIT, {"assignment": assignment.pk})


def _first(rows: "RawQuerySet[ModelT]") -> ModelT | None:
    return next(iter(rows), None)
