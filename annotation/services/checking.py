"""Handing out comparisons that are made from checks, and what follows when one is judged.

Whether the next comparison of a person is a check is drawn from a seed that nobody outside the server
knows, once for each comparison that they get: asking again draws the same. A comparison made from a check
takes one of the ids that the database leaves free among those of the others (see the migration
`quality_control`), so that neither its number nor anything else of it stands out.
"""

import hmac
import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.errors import Forbidden
from accounts.models import Role, User
from accounts.rows import Row, columns, fetch_one, load, num_columns
from accounts.services import audit_record
from annotation.models import Assignment, Check, Comparison, Membership, Project, Side
from annotation.services.statements import ANSWERED, ANSWERS, ASSIGNMENT, AtWork, answered

Kind = Check.Kind
AMONG_WORK = (Kind.GOLD, Kind.ATTENTION)
ID_TAKEN = frozenset({"annotation_comparison_pkey", "annotation_dialog_pkey"})

# No check twice for the same person until all are used; which comes first is another order for everybody.
CHOOSE = f"""
SELECT {columns(Check, "k")} FROM annotation_check k
LEFT JOIN (
    SELECT of_check_id, count(*) AS times FROM annotation_assignment
    WHERE annotator_id = %(annotator)s AND of_check_id IS NOT NULL GROUP BY of_check_id
) had ON had.of_check_id = k.id
WHERE k.project_id = %(project)s AND k.active AND k.kind = ANY(%(kinds)s)
ORDER BY coalesce(had.times, 0), md5(k.id || %(seed)s)
LIMIT 1
"""

# A check that the person put aside to go on with a dialog comes again before another one: it is not to be
# got rid of, and its draft is kept.
TAKE_UP = f"""
WITH a AS (
    UPDATE annotation_assignment SET state = 'active', expires_at = %(expires_at)s WHERE id = (
        SELECT own.id FROM annotation_assignment own
        JOIN annotation_comparison c ON c.id = own.comparison_id AND c.state = 'check' AND c.erased_at IS NULL
        JOIN annotation_check k ON k.id = own.of_check_id AND k.active AND k.kind = ANY(%(kinds)s)
        WHERE own.annotator_id = %(annotator)s AND own.project_id = %(project)s
            AND own.of_check_id IS NOT NULL AND own.state = 'expired'
        ORDER BY own.id LIMIT 1 FOR UPDATE OF c
    ) AND state = 'expired'
    RETURNING *
)
SELECT {ANSWERED}, {ASSIGNMENT} FROM a JOIN annotation_comparison c ON c.id = a.comparison_id {ANSWERS}
"""

# The first free ids after those of the newest comparison that the person has had, or before the oldest
# that is open; the same neighbourhood for the dialog. Where none is free there, the next in the row.
MAKE = f"""
WITH near AS (
    (SELECT id, dialog_id FROM annotation_comparison WHERE id = (
        SELECT max(comparison_id) FROM annotation_assignment
        WHERE annotator_id = %(annotator)s AND project_id = %(project)s
    )) UNION ALL (
        SELECT greatest(id - 16, 0), greatest(dialog_id - 16, 0) FROM annotation_comparison WHERE id = (
            SELECT min(id) FROM annotation_comparison
            WHERE project_id = %(project)s AND round = %(round)s AND state = 'open'
        )
    ) LIMIT 1
), dialog AS (
    INSERT INTO annotation_dialog (id, project_id, prompt_id, created_at)
    SELECT COALESCE(
        {{dialog_id}}, accord_spaced(nextval('annotation_dialog_place')) # 1
    ), %(project)s, %(prompt)s, %(now)s
    RETURNING id
), made AS (
    INSERT INTO annotation_comparison
        (id, project_id, dialog_id, turn, round, context, left_id, right_id, seed, state, needed,
         num_judgements, import_key, created_at, of_check_id)
    SELECT COALESCE({{comparison_id}}, accord_spaced(nextval('annotation_comparison_place')) # 1),
        %(project)s, dialog.id, 0, %(round)s, p.context, %(left)s, %(right)s, %(seed)s, 'check', 1, 0, '',
        %(now)s, %(check)s
    FROM dialog, annotation_prompt p WHERE p.id = %(prompt)s
    RETURNING *
), a AS (
    INSERT INTO annotation_assignment
        (project_id, comparison_id, annotator_id, lease, expires_at, state, draft, created_at, of_check_id)
    SELECT %(project)s, made.id, %(annotator)s, %(lease)s, %(expires_at)s, %(state)s, '{{{{}}}}', %(now)s,
        %(check)s
    FROM made
    RETURNING *
)
SELECT {ANSWERED}, {ASSIGNMENT} FROM made c {ANSWERS} CROSS JOIN a
"""
FREE_NEAR = """(
    SELECT free.id FROM near, LATERAL (
        SELECT accord_spaced(place) # step AS id
        FROM generate_series(near.{near} / 16, near.{near} / 16 + 4) AS place, generate_series(1, 15) AS step
    ) free
    WHERE free.id > near.{near} AND NOT EXISTS (SELECT FROM annotation_{table} WHERE id = free.id)
    ORDER BY free.id LIMIT 1
)"""
MAKE_NEAR = MAKE.format(
    comparison_id=FREE_NEAR.format(near="id", table="comparison"),
    dialog_id=FREE_NEAR.format(near="dialog_id", table="dialog"),
)
MAKE_ANYWHERE = MAKE.format(comparison_id="NULL", dialog_id="NULL")

QUALIFICATION = """
SELECT count(*), count(*) FILTER (WHERE j.passed) FROM annotation_assignment a
JOIN annotation_judgement j ON j.assignment_id = a.id
JOIN annotation_check k ON k.id = a.of_check_id
WHERE a.annotator_id = %(annotator)s AND a.project_id = %(project)s AND a.of_check_id IS NOT NULL
    AND k.kind = 'qualification' AND (%(since)s::timestamptz IS NULL OR j.created_at > %(since)s)
"""

# Counted and written in one statement: everybody who judges a check waits for it.
PAUSE = """
WITH latest AS (
    SELECT j.passed FROM annotation_assignment a
    JOIN annotation_judgement j ON j.assignment_id = a.id
    JOIN annotation_check k ON k.id = a.of_check_id
    WHERE a.annotator_id = %(annotator)s AND a.project_id = %(project)s AND a.of_check_id IS NOT NULL
        AND k.kind IN ('gold', 'attention') AND (%(since)s::timestamptz IS NULL OR j.created_at > %(since)s)
    ORDER BY j.id DESC LIMIT %(num)s
), counted AS (
    SELECT count(*) AS done, count(*) FILTER (WHERE passed) AS right_ones FROM latest
)
UPDATE annotation_membership m
SET paused_at = %(now)s, paused_by_id = NULL,
    pause_reason = format('%%s of the latest %%s checks right', right_ones, done)
FROM counted
WHERE m.id = %(member)s AND m.paused_at IS NULL AND done >= %(num)s
    AND right_ones < %(below)s::numeric * done
RETURNING done, right_ones
"""

QUALIFY = f"""
WITH counted (done, right_ones) AS ({QUALIFICATION})
UPDATE annotation_membership m SET qualified_at = %(now)s
FROM counted
WHERE m.id = %(member)s AND m.qualified_at IS NULL AND done >= %(num)s
    AND right_ones >= %(share)s::numeric * done
RETURNING done, right_ones
"""


class WorkStopped(Forbidden):
    """The person gets nothing more in this project for now; the sentence says what they can do."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far somebody is with the qualification."""

    needed: int
    done: int
    right: int

    @property
    def is_over(self) -> bool:
        """Whether all of it is judged."""
        return self.done >= self.needed


@dataclass(frozen=True, kw_only=True)
class Feedback:
    """What a person is told after a check."""

    is_right: bool
    preferred: Side
    weakest: str
    strongest: str
    explanation: str
    """Markdown."""


def check_hand_out(
    project: Project, annotator: User, work: AtWork, expires_at: datetime
) -> Assignment | None:
    """A comparison made from a check, where it is time for one; None where it is time for work.

    Raises WorkStopped where the person has failed the qualification, or it cannot be completed, and
    IntegrityError where they were handed something else at the same moment.
    """
    member = work.member
    if member is None:
        return None
    if must_qualify(project, member):
        progress = qualification_progress(project, member)
        if progress.is_over:
            raise WorkStopped(
                _(
                    "You judged %(right)d of %(done)d test comparisons right, and this project asks for "
                    "more: ask its admin for another try."
                )
                % {"right": progress.right, "done": progress.done}
            )
        made = _make(project, annotator, (Kind.QUALIFICATION,), work, expires_at)
        if made is None:
            raise WorkStopped(
                _("This project has no test comparisons yet: tell its admin that you wait for them.")
            )
        return made
    if project.gold_share and drawn(project, annotator, work.latest) < project.gold_share:
        return _make(project, annotator, AMONG_WORK, work, expires_at)
    return None


def must_qualify(project: Project, member: Membership) -> bool:
    """Whether qualification comes before work for this person."""
    return project.qualification_needed > 0 and member.qualified_at is None and member.role == Role.ANNOTATOR


def qualification_progress(project: Project, member: Membership) -> Progress:
    """How far the person is in their present try."""
    since = {"annotator": member.user_id, "project": member.project_id, "since": member.checked_from}
    row = fetch_one(QUALIFICATION, since)
    assert row is not None
    done, right = row
    return Progress(needed=project.qualification_needed, done=done, right=right)


def qualification_of(assignment: Assignment) -> Progress | None:
    """How far the holder is, where the assignment is part of the qualification; no statement for others."""
    if assignment.of_check_id is None or assignment.of_check is None:
        return None
    if assignment.of_check.kind != Kind.QUALIFICATION:
        return None
    member = Membership.objects.filter(
        project=assignment.project_id, user=assignment.annotator_id, qualified_at=None
    ).first()
    return None if member is None else qualification_progress(assignment.project, member)


def check_of(comparison: Comparison) -> Check | None:
    """The check that the comparison is made from; no statement where it is none."""
    return None if comparison.of_check_id is None else comparison.of_check


def check_passed(check: Check, comparison: Comparison, preferred: str, strength: str) -> bool | None:
    """Whether this judgement of the comparison made from the check is right; None where that is not known."""
    if check.kind == Kind.EDIT:
        return None
    return check.passes(is_better=preferred == _better_side(check, comparison), strength=strength)


def check_follow_up(check: Check, member: Membership | None, annotator: User, project: Project) -> None:
    """After a judgement of a check, in its transaction: the person may have qualified, or is paused."""
    if member is None:
        return
    since = {"annotator": annotator.pk, "project": project.pk, "since": member.checked_from}
    written = {**since, "member": member.pk, "now": timezone.now()}
    if check.kind == Kind.QUALIFICATION:
        if must_qualify(project, member):
            share = {"num": project.qualification_needed, "share": project.qualification_pass}
            if (row := fetch_one(QUALIFY, {**written, **share})) is not None:
                audit_record(annotator, "membership.qualify", member, {"checks": row[0], "right": row[1]})
    elif project.pause_below:
        threshold = {"num": project.pause_after, "below": project.pause_below}
        if (row := fetch_one(PAUSE, {**written, **threshold})) is not None:
            data = {"user": annotator.username, "checks": row[0], "right": row[1]}
            audit_record(None, "membership.pause", member, data)


def feedback_of(comparison: Comparison, passed: bool | None) -> Feedback | None:
    """What the person who judged is told; None where it was no check, or one that keeps silent."""
    check = check_of(comparison)
    if check is None or check.kind in (Kind.ATTENTION, Kind.EDIT):
        return None
    if check.kind == Kind.GOLD and not comparison.project.check_feedback:
        return None
    return Feedback(
        is_right=bool(passed),
        preferred=_better_side(check, comparison),
        weakest=check.weakest,
        strongest=check.strongest,
        explanation=check.explanation,
    )


def _better_side(check: Check, comparison: Comparison) -> Side:
    return Side.LEFT if comparison.left_id == check.better_id else Side.RIGHT


def secret_seed(*parts: object) -> str:
    """Depends on all parts, and cannot be foretold without the server's secret."""
    text = "/".join(map(str, ("annotation.checks", *parts)))
    return hmac.new(settings.SECRET_KEY.encode(), text.encode(), "sha256").hexdigest()


def drawn(project: Project, annotator: User, latest: int | None) -> float:
    """From 0 to below 1, another number after each comparison that the person is handed."""
    return random.Random(secret_seed("draw", project.pk, annotator.pk, latest)).random()


def _make(
    project: Project, annotator: User, kinds: Sequence[Kind], work: AtWork, expires_at: datetime
) -> Assignment | None:
    """Choose a check and hand the person a comparison made from it; None where there is none to choose."""
    wanted = {"annotator": annotator.pk, "project": project.pk, "kinds": [kind.value for kind in kinds]}
    if work.check_aside:
        aside = fetch_one(TAKE_UP, {**wanted, "expires_at": expires_at})
        if aside is not None:
            return assigned(aside)
    row = fetch_one(CHOOSE, {**wanted, "seed": secret_seed("order", annotator.pk)})
    if row is None:
        return None
    return check_give(load(Check, row), project, annotator, work, expires_at)


def check_give(
    check: Check,
    project: Project,
    annotator: User,
    work: AtWork,
    expires_at: datetime,
    state: Assignment.State = Assignment.State.ACTIVE,
) -> Assignment:
    """Make a comparison from the check for this person, with its sides drawn, and hand it to them.

    Raises IntegrityError where they hold another one of the project in this state.
    """
    sides = random.Random(secret_seed("sides", annotator.pk, work.latest, check.pk))
    left, right = sides.sample((check.better_id, check.worse_id), 2)
    parameters = {
        "annotator": annotator.pk,
        "project": project.pk,
        "prompt": check.prompt_id,
        "check": check.pk,
        "round": project.current_round,
        "left": left,
        "right": right,
        "seed": sides.getrandbits(62),
        "lease": uuid.uuid4(),
        "now": timezone.now(),
        "expires_at": expires_at,
        "state": state,
    }
    try:
        with transaction.atomic():
            return _made(MAKE_NEAR, parameters)
    except IntegrityError as error:
        if getattr(getattr(error.__cause__, "diag", None), "constraint_name", None) not in ID_TAKEN:
            raise
    # Somebody else's check took this id at the same moment.
    with transaction.atomic():
        return _made(MAKE_ANYWHERE, parameters)


def _made(sql: str, parameters: dict[str, object]) -> Assignment:
    row = fetch_one(sql, parameters)
    assert row is not None, parameters
    return assigned(row)


def assigned(row: Row) -> Assignment:
    """The comparison with its answers, and the assignment that is the row's last part."""
    assignment = load(Assignment, row, start=len(row) - num_columns(Assignment))
    assignment.comparison = answered(row)
    return assignment
