"""Takes what must be forgotten out of audit entries, in a way that the chain still verifies."""

import json

from django.db import connection, models

from accounts.audit.chain import REDACT, Data, data_digest
from accounts.audit.sealing import LOCK
from accounts.models import User
from accounts.services import audit_record

AT_ONCE = 500
"""Redacted entries that one entry names."""


def entry_redact(entry_id: int, data: Data) -> str:
    """Put `data` in the place of the entry's; the salt goes too. Returns the digest of what is left.

    Call it in a transaction, and `redactions_record` at its end.
    """
    with connection.cursor() as cursor:
        # The sealer must not have read what goes, and seal it after.
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        cursor.execute("SET LOCAL accord.redacting = 'on'")
        cursor.execute(
            "UPDATE accounts_auditentry SET data = %s::jsonb WHERE id = %s", [json.dumps(data), entry_id]
        )
        cursor.execute("UPDATE accounts_auditseal SET salt = '' WHERE entry_id = %s", [entry_id])
        cursor.execute("SET LOCAL accord.redacting = 'off'")
    return data_digest("", data)


def redactions_record(actor: User | None, subject: models.Model, redacted: dict[int, str]) -> None:
    """Say which entries were redacted because of `subject`, and what is left of each."""
    found = sorted(redacted.items())
    for start in range(0, len(found), AT_ONCE):
        named = {str(entry_id): digest for entry_id, digest in found[start : start + AT_ONCE]}
        audit_record(actor, REDACT, subject, {"entries": named})
