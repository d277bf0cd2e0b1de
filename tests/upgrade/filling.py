"""Rows for tables as they are, whatever their columns: what is not said gets a plain value of its type."""

from typing import Any

import psycopg

VALUES = {
    "boolean": "false",
    "character varying": "''",
    "text": "''",
    "jsonb": "'{}'",
    "timestamp with time zone": "now()",
    "double precision": "0.5",
    "uuid": "gen_random_uuid()",
    "integer": "1",
    "smallint": "1",
    "bigint": "1",
}
"""By type, an SQL expression."""
COLUMNS = """
SELECT column_name, data_type FROM information_schema.columns
WHERE table_name = %s AND is_nullable = 'NO' AND column_default IS NULL AND is_identity = 'NO'
    AND is_generated = 'NEVER'
"""


def fill(connection: "psycopg.Connection[Any]", table: str, num: int, **expressions: str) -> None:
    """Put `num` rows into the table; an expression may use `n`, which counts from 1."""
    needed = {name: VALUES[kind] for name, kind in connection.execute(COLUMNS, [table]).fetchall()}
    values = {**needed, **expressions}
    names = ", ".join(f'"{name}"' for name in values)
    connection.execute(
        f"INSERT INTO {table} ({names}) SELECT {', '.join(values.values())} FROM generate_series(1, {num}) n"
    )


def fill_site(connection: "psycopg.Connection[Any]", num: int) -> None:
    """A site with `num` comparisons, half of them judged, and as many audit entries."""
    fill(connection, "accounts_user", 1, id="1", username="'ann'", pseudonym="'person-1'", role="'annotator'")
    fill(
        connection,
        "annotation_project",
        1,
        id="1",
        slug="'helpful'",
        name="'Helpful'",
        certainty="0.9",
        edit_share="0",
    )
    fill(connection, "annotation_prompt", num, id="n", external_id="n::text", context="'[]'")
    fill(connection, "annotation_dialog", num, id="n", prompt_id="n")
    fill(connection, "annotation_response", 2 * num, id="n", content="'an answer'", model_name="'m'")
    fill(
        connection,
        "annotation_comparison",
        num,
        **{"id": "n", "dialog_id": "n", "left_id": "2 * n - 1", "right_id": "2 * n", "context": "'[]'"},
        **{"state": "'open'", "num_judgements": "0", "needed": "1"},
    )
    fill(
        connection,
        "annotation_assignment",
        num // 2,
        **{"comparison_id": "n", "state": "'submitted'"},
    )
    fill(
        connection,
        "annotation_judgement",
        num // 2,
        **{"comparison_id": "n", "preferred": "'left'", "strength": "'better'", "reasons": "'[]'"},
        **{"idempotency_key": "n::text", "record_id": "n::text"},
    )
    fill(connection, "accounts_auditentry", num, action="'judgement.submit'", actor_id="1")
    fill(connection, "registry_checkpoint", 1, id="1", name="'base'", kind="'base'")
    fill(connection, "alignment_round", 1, id="1", number="1", state="'running'")
    fill(connection, "alignment_stage", 1, id="1", name="'sft'", state="'running'")
    fill(connection, "alignment_program", 1, id="1", stage_id="1", name="'variant-1'", state="'running'")
    fill(connection, "webhooks_endpoint", 1, id="1", url="'https://example.org/'", events="'[]'")
    fill(connection, "webhooks_delivery", num, id="n", event="'round.failed'", state="'failed'")
    connection.commit()
    connection.execute("ANALYZE")
    connection.commit()
