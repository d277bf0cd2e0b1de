"""A judgement and all that goes with it as one statement: everybody who judges waits for it.

The row, the end of its assignment, the comparison's counter and state, and the audit row stand or fall
together anyway; sent one by one they took four statements and half of the CPU time of judging.
"""

import json
from functools import cache

from django.db import DEFAULT_DB_ALIAS, connection

from accounts.rows import fetch_one
from accounts.services import AUDIT
from annotation.models import Judgement
from webhooks.services import ANY_ENDPOINT

# Counted after the judgement: `more` is of how many more people than before one is needed.
WRITE = """
WITH judged AS (
    INSERT INTO annotation_judgement ({columns}) VALUES ({values}) RETURNING id, assignment_id, comparison_id
), submitted AS (
    UPDATE annotation_assignment a SET state = 'submitted' FROM judged WHERE a.id = judged.assignment_id
), counted AS (
    UPDATE annotation_comparison c
    SET num_judgements = c.num_judgements + 1,
        needed = c.needed + %(more)s,
        state = CASE WHEN c.state = 'open' AND c.num_judgements + 1 = c.needed + %(more)s THEN 'full'
            ELSE c.state END
    FROM judged WHERE c.id = judged.comparison_id
), audited AS (
    {audit}
)
SELECT judged.id, {any_endpoint} FROM judged
"""


def judgement_write(judgement: Judgement, *, more: int) -> bool:
    """Write the new judgement of the locked comparison; it has its number then.

    Its assignment ends, and its comparison is full where it was the last one needed. `more`: of so many
    more people than before a judgement is needed. Returns whether any webhook might want to hear of it.
    Raises IntegrityError where a constraint refuses it.
    """
    values = {
        str(field.column): field.get_db_prep_save(getattr(judgement, field.attname), connection)
        for field in Judgement._meta.concrete_fields
        if not field.primary_key
    }
    data = {
        "comparison": judgement.comparison_id,
        "preferred": judgement.preferred,
        "strength": judgement.strength,
    }
    row = fetch_one(
        _write(),
        {
            **values,
            "more": more,
            "actor": judgement.annotator_id,
            "action": "judgement.submit",
            "subject_type": Judgement._meta.label_lower,
            "data": json.dumps(data),
            "now": judgement.created_at,
        },
    )
    assert row is not None
    judgement.pk, is_heard = row
    judgement._state.adding, judgement._state.db = False, DEFAULT_DB_ALIAS
    return bool(is_heard)


@cache
def _write() -> str:
    names = [field.column for field in Judgement._meta.concrete_fields if not field.primary_key]
    return WRITE.format(
        columns=", ".join(f'"{name}"' for name in names),
        values=", ".join(f"%({name})s" for name in names),
        audit=AUDIT.format(subject_id="judged.id::text", source="FROM judged"),
        any_endpoint=ANY_ENDPOINT,
    )
