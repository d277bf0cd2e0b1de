"""Edits judged again: a share of the edits is shown to somebody else, against what they were made of.

In: a judgement with an edit. Out: a check of kind edit, offered blindly as a comparison like all others to
people who have not seen the edited one; and closed once as many have judged it as the project asks for.

Which edits are drawn when they are written, so that each has the same chance. The check holds copies of the
texts: nothing that is changed or erased elsewhere changes under the eyes of who judges it.
"""

import json
import random
import uuid
from collections.abc import Collection
from datetime import datetime

from django.db import connection, transaction
from django.utils import timezone

from accounts.models import User
from accounts.rows import columns, fetch_one, load
from accounts.services import AUDIT
from annotation.models import Assignment, Check, Comparison, Judgement, Project
from annotation.records import Strength
from annotation.services.checking import assigned, check_give, drawn, must_qualify, secret_seed
from annotation.services.checks import MODEL_NAME
from annotation.services.statements import ANSWERED, ANSWERS, ASSIGNMENT, AtWork

State = Assignment.State
MOST = 0.5
"""Of a person's comparisons, that are looks at edits, however many wait."""

MAKE = f"""
WITH prompt AS (
    INSERT INTO annotation_prompt (project_id, external_id, domain, language, context, split, created_at)
    SELECT c.project_id, %(name)s, p.domain, p.language, c.context, 'check', %(now)s
    FROM annotation_comparison c
    JOIN annotation_dialog d ON d.id = c.dialog_id
    JOIN annotation_prompt p ON p.id = d.prompt_id
    WHERE c.id = %(comparison)s
    RETURNING id
), better AS (
    INSERT INTO annotation_response (project_id, content, model_name, finish)
    VALUES (%(project)s, %(edited)s, %(model_name)s, '') RETURNING id
), worse AS (
    INSERT INTO annotation_response (project_id, content, model_name, finish)
    VALUES (%(project)s, %(chosen)s, %(model_name)s, '') RETURNING id
), made AS (
    INSERT INTO annotation_check (project_id, kind, prompt_id, better_id, worse_id, weakest, strongest,
        explanation, active, created_by_id, created_at, judgement_id)
    SELECT %(project)s, 'edit', prompt.id, better.id, worse.id, %(weakest)s, %(strongest)s,
        '', true, %(editor)s, %(now)s, %(judgement)s
    FROM prompt, better, worse
    RETURNING id
)
{AUDIT.format(subject_id="made.id::text", source="FROM made")}
"""

PLACES_TAKEN = """
    SELECT count(*) FROM annotation_comparison made JOIN annotation_assignment a ON a.comparison_id = made.id
    WHERE made.of_check_id = {check} AND a.state IN ('active', 'reserved', 'submitted') AND NOT EXISTS (
        SELECT FROM annotation_judgement j WHERE j.assignment_id = a.id AND j.standing = 'excluded'
    )
"""

# Of comparisons that are full alone: nobody gets one of these later and knows an answer already. Whoever has
# had a turn at the dialog has seen it. Whoever holds a place keeps it, late or not: it is but a sample.
CHOOSE = f"""
SELECT {columns(Check, "k")} FROM annotation_check k
JOIN annotation_judgement j ON j.id = k.judgement_id
JOIN annotation_comparison c ON c.id = j.comparison_id
LEFT JOIN annotation_assignment own ON own.of_check_id = k.id AND own.annotator_id = %(annotator)s
WHERE k.project_id = %(project)s AND k.active AND k.kind = 'edit'
    AND k.created_by_id IS DISTINCT FROM %(annotator)s
    AND c.state = 'full' AND c.erased_at IS NULL AND j.standing IN ('counted', 'superseded')
    AND coalesce(own.state, 'expired') = 'expired'
    AND NOT EXISTS (
        SELECT FROM annotation_comparison seen JOIN annotation_assignment a ON a.comparison_id = seen.id
        WHERE seen.dialog_id = c.dialog_id AND a.annotator_id = %(annotator)s
    )
    AND NOT EXISTS (
        SELECT FROM annotation_judgement said
        WHERE said.comparison_id = c.id AND said.annotator_id = %(annotator)s
    )
    AND %(people)s > ({PLACES_TAKEN.format(check="k.id")})
ORDER BY own.id IS NULL, k.id LIMIT 1
FOR UPDATE OF k SKIP LOCKED
"""

TAKEN = f"SELECT ({PLACES_TAKEN.format(check='%(check)s')})"

# With its draft: it was put aside to go on with a dialog.
TAKE_UP = f"""
WITH a AS (
    UPDATE annotation_assignment SET state = %(state)s, expires_at = %(expires_at)s
    WHERE of_check_id = %(check)s AND annotator_id = %(annotator)s AND state = 'expired'
    RETURNING *
)
SELECT {ANSWERED}, {ASSIGNMENT} FROM a JOIN annotation_comparison c ON c.id = a.comparison_id {ANSWERS}
"""

# One that somebody is just being handed is closed later, or never: CHOOSE counts the places anyway. To wait
# for its lock with a comparison's in hand could be to wait for oneself.
CLOSE = """
UPDATE annotation_check SET active = false WHERE id IN (
    SELECT id FROM annotation_check WHERE id = %(check)s AND active FOR UPDATE SKIP LOCKED
) AND %(people)s <= (
    SELECT count(*) FROM annotation_comparison made JOIN annotation_judgement j ON j.comparison_id = made.id
    WHERE made.of_check_id = %(check)s AND j.standing = 'counted'
)
"""

# Which are open and which closed, after people's judgements of these checks were excluded or restored.
RECOUNT = """
UPDATE annotation_check k SET active = counted.num < p.edit_people
FROM annotation_project p, annotation_prompt asked, (
    SELECT made.of_check_id AS id, count(*) FILTER (WHERE j.standing = 'counted') AS num
    FROM annotation_comparison made JOIN annotation_judgement j ON j.comparison_id = made.id
    WHERE made.of_check_id = ANY(%(checks)s) GROUP BY made.of_check_id
) counted
WHERE k.id = counted.id AND k.kind = 'edit' AND p.id = k.project_id AND asked.id = k.prompt_id
    AND asked.erased_at IS NULL
"""


def edit_check_draw(judgement: Judgement, comparison: Comparison, edited: str) -> None:
    """Make a check of the new judgement's edit, if it is drawn. One statement at most."""
    project = comparison.project
    if random.Random(secret_seed("edit", judgement.pk)).random() < project.edit_share:
        edit_check_create(judgement, comparison, edited)


def edit_check_create(judgement: Judgement, comparison: Comparison, edited: str) -> None:
    """Make a check of the judgement's edit; in the judgement's transaction."""
    with connection.cursor() as cursor:
        cursor.execute(
            MAKE,
            {
                "project": comparison.project_id,
                "comparison": comparison.pk,
                "judgement": judgement.pk,
                "editor": judgement.annotator_id,
                "edited": edited,
                "chosen": comparison.chosen_first(judgement.preferred)[0].content,
                "name": f"edit-{uuid.uuid4().hex}",
                "model_name": MODEL_NAME,
                "weakest": Strength.MARGINALLY_BETTER,
                "strongest": Strength.SIGNIFICANTLY_BETTER,
                "actor": judgement.annotator_id,
                "action": "check.create",
                "subject_type": Check._meta.label_lower,
                "data": json.dumps({"kind": Check.Kind.EDIT, "judgement": judgement.pk}),
                "now": timezone.now(),
            },
        )


def edit_hand_out(
    project: Project,
    annotator: User,
    work: AtWork,
    expires_at: datetime,
    state: Assignment.State = State.ACTIVE,
) -> Assignment | None:
    """A look at somebody else's edit, where it is time for one and one waits; else None.

    Now, or kept for them to come next (`state`). Raises IntegrityError where they hold another one so.
    """
    member = work.member
    if not project.edit_share or member is None or must_qualify(project, member):
        return None
    # Of the same draw as checks of a known answer, which take its lower end. Twice as often as edits are
    # drawn: not every one that waits is for everybody.
    often = min(MOST, 2 * project.edit_share * project.edit_people)
    if not project.gold_share <= drawn(project, annotator, work.latest) < project.gold_share + often:
        return None
    wanted = {"project": project.pk, "annotator": annotator.pk, "people": project.edit_people}
    with transaction.atomic():
        row = fetch_one(CHOOSE, wanted)
        if row is None:
            return None
        check = load(Check, row)
        taken = fetch_one(TAKEN, {"check": check.pk})
        assert taken is not None
        if taken[0] >= project.edit_people:
            return None  # by somebody who was quicker, between looking and locking
        held = {"check": check.pk, "annotator": annotator.pk, "expires_at": expires_at, "state": state}
        aside = fetch_one(TAKE_UP, held)
        if aside is not None:
            return assigned(aside)
        return check_give(check, project, annotator, work, expires_at, state)


def edit_check_follow_up(check: Check, project: Project) -> None:
    """After a judgement of the check, in its transaction: it is closed once enough people have judged it."""
    with connection.cursor() as cursor:
        cursor.execute(CLOSE, {"check": check.pk, "people": project.edit_people})


def edit_checks_recount(check_ids: Collection[int]) -> None:
    """After verdicts on these edits were excluded or restored: each is open again, or closed."""
    with connection.cursor() as cursor:
        cursor.execute(RECOUNT, {"checks": sorted(check_ids)})
