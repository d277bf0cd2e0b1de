"""The SQL of handing out and judging, written by hand.

Every annotator waits for these. PostgreSQL runs each in a tenth of a millisecond, but Django's ORM takes
3 to 7 ms of CPU to compose such a join anew each time, which the web process would do for every request.
"""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from django.utils import timezone

from accounts.models import User
from accounts.rows import Row, columns, fetch_one, load, num_columns
from annotation.models import Assignment, Check, Comparison, Membership, Project, Response

STALE = timedelta(seconds=60)
"""Who did not look for so long was not waiting: the page asks every few seconds."""

ASSIGNMENT = columns(Assignment, "a")
MEMBER = columns(Membership, "m")
ANSWERED = f"{columns(Comparison, 'c')}, {columns(Response, 'l')}, {columns(Response, 'r')}"
ANSWERS = """
JOIN annotation_response l ON l.id = c.left_id
JOIN annotation_response r ON r.id = c.right_id
"""

HELD = f"""
SELECT {MEMBER}, {ASSIGNMENT}, {columns(Assignment, "ahead")}, (
    SELECT max(id) FROM annotation_assignment
    WHERE annotator_id = %(annotator)s AND project_id = %(project)s
), (
    SELECT id FROM annotation_pairrequest
    WHERE annotator_id = %(annotator)s AND project_id = %(project)s AND state = 'ready'
    ORDER BY ready_at LIMIT 1
), (
    SELECT since FROM annotation_wait
    WHERE annotator_id = %(annotator)s AND project_id = %(project)s AND seen_at > %(stale)s
), EXISTS (
    SELECT FROM annotation_assignment WHERE annotator_id = %(annotator)s AND project_id = %(project)s
        AND of_check_id IS NOT NULL AND state = 'expired'
)
FROM (VALUES (%(annotator)s, %(project)s)) AS person (annotator_id, project_id)
LEFT JOIN annotation_membership m ON m.user_id = person.annotator_id AND m.project_id = person.project_id
LEFT JOIN annotation_assignment a ON a.annotator_id = person.annotator_id
    AND a.project_id = person.project_id AND a.state = 'active'
LEFT JOIN annotation_assignment ahead ON ahead.annotator_id = person.annotator_id
    AND ahead.project_id = person.project_id AND ahead.state = 'reserved'
"""

PLACES_HELD = """
    SELECT count(*) FROM annotation_assignment held
    WHERE held.comparison_id = {comparison} AND held.state IN ('active', 'reserved')
      AND held.expires_at > %(now)s
"""

# The holders that the subquery counts may be out of date by the time the row is locked: GIVE counts again.
# It looks at one row after the other and stops at the first: no EXISTS and no join before that, which the
# planner would turn into reading all that the person has ever judged.
FREE = f"""
WITH c AS (
    SELECT c.* FROM annotation_comparison c
    WHERE c.project_id = %(project)s AND c.round = %(round)s AND c.state = 'open'
      AND c.id > {{after}}
      AND c.id <> ALL(%(passed_over)s)
      AND 'expired' = COALESCE((
          SELECT own.state FROM annotation_assignment own
          WHERE own.comparison_id = c.id AND own.annotator_id = %(annotator)s
      ), 'expired')
      AND c.num_judgements + ({PLACES_HELD.format(comparison="c.id")}) < c.needed
    ORDER BY c.id LIMIT 1
    FOR UPDATE OF c {{locked}}
)
SELECT {ANSWERED} FROM c {ANSWERS}
"""
NEWEST_OWN = """COALESCE((
    SELECT max(comparison_id) FROM annotation_assignment
    WHERE annotator_id = %(annotator)s AND project_id = %(project)s AND of_check_id IS NULL
), 0)"""

# An assignment that its owner once put aside is taken up again, with its lease and draft. Not one that
# another request of theirs has been given, and perhaps judged, just now: FREE may not have seen that.
GIVE = f"""
INSERT INTO annotation_assignment AS a
    (project_id, comparison_id, annotator_id, lease, expires_at, state, draft, created_at)
SELECT %(project)s, %(comparison)s, %(annotator)s, %(lease)s, %(expires_at)s, %(state)s, '{{}}', %(now)s
WHERE %(places)s > ({PLACES_HELD.format(comparison="%(comparison)s")})
ON CONFLICT (comparison_id, annotator_id)
    DO UPDATE SET state = EXCLUDED.state, expires_at = EXCLUDED.expires_at WHERE a.state = 'expired'
RETURNING {ASSIGNMENT}
"""

# Whoever still has time has a place; who has not must find one that the others have left.
RENEW = f"""
UPDATE annotation_assignment a SET state = %(state)s, expires_at = %(expires_at)s
WHERE a.id = %(assignment)s AND a.state = %(held_as)s AND (
    a.expires_at > %(now)s
    OR %(places)s > ({PLACES_HELD.format(comparison="a.comparison_id")} AND held.id <> a.id)
)
RETURNING {ASSIGNMENT}
"""

LOCK = f"""
SELECT {ANSWERED}, {MEMBER}, {columns(Project, "p")} FROM annotation_comparison c {ANSWERS}
JOIN annotation_project p ON p.id = c.project_id
LEFT JOIN annotation_membership m ON m.project_id = c.project_id AND m.user_id = %(annotator)s
WHERE c.id = %(comparison)s
FOR UPDATE OF c
"""

OWN = f"""
SELECT {ASSIGNMENT}, {columns(Check, "k")} FROM annotation_assignment a
LEFT JOIN annotation_check k ON k.id = a.of_check_id
WHERE a.comparison_id = %(comparison)s AND a.annotator_id = %(annotator)s
"""

LEFT = """
SELECT 1 FROM annotation_membership m WHERE m.project_id = %(project)s AND NOT EXISTS (
    SELECT FROM annotation_assignment a
    WHERE a.comparison_id = %(comparison)s AND a.annotator_id = m.user_id
      AND a.state IN ('submitted', 'skipped', 'flagged')
) LIMIT 1
"""


@dataclass(frozen=True, kw_only=True)
class AtWork:
    """Where a person is in a project."""

    member: Membership | None
    """None for an admin of the whole site."""
    held: Assignment | None
    """What they hold, whether or not its time has run out."""
    reserved: Assignment | None
    """What is kept for them to come next, whether or not its time has run out."""
    latest: int | None
    """The id of the assignment made for them last."""
    ready: int | None
    """The oldest pair that was written for them."""
    waiting_since: datetime | None
    """None where they have had something to judge."""
    check_aside: bool
    """Whether they may have put a check aside."""


def at_work(project: Project, annotator: User) -> AtWork:
    """Where the annotator is in the project."""
    stale = timezone.now() - STALE
    row = fetch_one(HELD, {"annotator": annotator.pk, "project": project.pk, "stale": stale})
    assert row is not None
    held_at = num_columns(Membership)
    latest, ready, waiting_since, check_aside = row[-4:]
    return AtWork(
        member=_member(row, 0),
        held=_assignment(row, held_at),
        reserved=_assignment(row, held_at + num_columns(Assignment)),
        latest=latest,
        ready=ready,
        waiting_since=waiting_since,
        check_aside=check_aside,
    )


class Search(Enum):
    """Where a free comparison is looked for; each is the SQL of it."""

    ONWARD = FREE.format(after=NEWEST_OWN, locked="SKIP LOCKED")
    """After the newest that the person has had: past all those that they need not see again."""
    ALL = FREE.format(after="0", locked="SKIP LOCKED")
    """From the oldest on: what was skipped or given back."""
    LOCKED = FREE.format(after="0", locked="")
    """Also those that somebody is just deciding about; waits for them."""


def free_comparison_lock(
    project: Project, annotator: User, now: datetime, passed_over: Iterable[int], search: Search
) -> Comparison | None:
    """Lock the oldest comparison of the current round that seems to have a place for this person."""
    row = fetch_one(
        search.value,
        {
            "annotator": annotator.pk,
            "project": project.pk,
            "round": project.current_round,
            "passed_over": list(passed_over),
            "now": now,
        },
    )
    return None if row is None else answered(row)


def place_take(
    comparison: Comparison, annotator: User, now: datetime, expires_at: datetime, state: Assignment.State
) -> Assignment | None:
    """Hand the locked comparison to the person, or None where others hold all its places or they had it.

    Raises IntegrityError where they hold another one of the project in this state.
    """
    row = fetch_one(
        GIVE,
        {
            "project": comparison.project_id,
            "comparison": comparison.pk,
            "annotator": annotator.pk,
            "lease": uuid.uuid4(),
            "now": now,
            "expires_at": expires_at,
            "state": state,
            "places": comparison.needed - comparison.num_judgements,
        },
    )
    return None if row is None else load(Assignment, row)


def place_renew(
    held: Assignment, comparison: Comparison, now: datetime, expires_at: datetime, state: Assignment.State
) -> Assignment | None:
    """Prolong what a person holds of the locked comparison, from now on in `state`.

    None where they hold it no longer as they did, or others have taken all its places. Raises
    IntegrityError where they hold another one of the project in this state.
    """
    row = fetch_one(
        RENEW,
        {
            "assignment": held.pk,
            "held_as": held.state,
            "now": now,
            "expires_at": expires_at,
            "state": state,
            "places": comparison.needed - comparison.num_judgements,
        },
    )
    return None if row is None else load(Assignment, row)


def comparison_lock(comparison_id: int, annotator: User) -> tuple[Comparison, Membership | None] | None:
    """Lock the comparison; with it come its answers, its project and the person's membership of that."""
    row = fetch_one(LOCK, {"comparison": comparison_id, "annotator": annotator.pk})
    if row is None:
        return None
    comparison, end = answered(row), num_columns(Comparison) + 2 * num_columns(Response)
    comparison.project = load(Project, row, start=end + num_columns(Membership))
    return comparison, _member(row, end)


def own_assignment(comparison: Comparison, annotator: User) -> Assignment | None:
    """The person's assignment of the comparison, in whatever state; both get the check they are made from."""
    row = fetch_one(OWN, {"comparison": comparison.pk, "annotator": annotator.pk})
    if row is None:
        return None
    assignment = load(Assignment, row)
    if assignment.of_check_id is not None:
        assignment.of_check = comparison.of_check = load(Check, row, start=num_columns(Assignment))
    return assignment


def is_left_to_someone(comparison: Comparison) -> bool:
    """Whether there is anyone in the project who has not judged, skipped or flagged the comparison."""
    return fetch_one(LEFT, {"project": comparison.project_id, "comparison": comparison.pk}) is not None


def _assignment(row: Row, start: int) -> Assignment | None:
    return None if row[start] is None else load(Assignment, row, start=start)


def _member(row: Row, start: int) -> Membership | None:
    return None if row[start] is None else load(Membership, row, start=start)


def answered(row: Row) -> Comparison:
    """A comparison and its two answers, as ANSWERED names them."""
    comparison = load(Comparison, row)
    comparison.left = load(Response, row, start=num_columns(Comparison))
    comparison.right = load(Response, row, start=num_columns(Comparison) + num_columns(Response))
    return comparison
