"""Links entries into the chain, behind their writers' backs: nobody who writes waits for it.

An entry is sealed once its transaction is older than every one that still runs. So each entry falls into
exactly one interval of transactions, also one whose smaller number was committed late: it comes later in the
chain, after greater numbers. One sealer works at a time; one that dies leaves whole batches.

Transactions are numbered by the database server. Where the database was put back on another one, and at the
very first time, everything that is not sealed is, whatever its transaction.
"""

import json
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from accounts.audit.chain import FIRST, Entry, Head, Link, link_make
from accounts.models import AuditChain, AuditSeal

LOCK = 0x4155444954
"""The advisory lock of whoever writes seals."""
BATCH = 2000

ENTRY = "e.id, e.actor_id, e.action, e.subject_type, e.subject_id, e.data::text, e.created_at"
UNSEALED = "NOT EXISTS (SELECT FROM accounts_auditseal s WHERE s.entry_id = e.id)"

WHOLE = f"""
SELECT {ENTRY}, e.transaction::text FROM accounts_auditentry e
WHERE e.id > %(after)s AND {UNSEALED}
ORDER BY e.id LIMIT %(limit)s
"""
INTERVAL = f"""
SELECT {ENTRY}, e.transaction::text FROM accounts_auditentry e
WHERE (e.transaction, e.id) > (%(horizon)s::text::xid8, %(after)s)
    AND e.transaction < %(settled)s::text::xid8 AND {UNSEALED}
ORDER BY e.transaction, e.id LIMIT %(limit)s
"""
INSERT = """
INSERT INTO accounts_auditseal (position, entry_id, salt, digest, hash)
SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::text[])
"""
SERVER = """
SELECT system_identifier::text, pg_snapshot_xmin(pg_current_snapshot())::text FROM pg_control_system()
"""

Row = Sequence[Any]  # Any: what the database holds


def audit_seal(*, batch: int = BATCH) -> int:
    """Seal everything that can be; how many entries. 0 too where another is at it."""
    total, after = 0, 0
    while True:
        rows = _batch(after, batch)
        total += len(rows)
        if len(rows) == batch:
            after = rows[-1][0]
        elif after:
            after = 0  # once more from the beginning: meanwhile smaller numbers may have been committed
        else:
            return total


def entry_of(row: Row) -> Entry:
    """The entry whose columns, as ENTRY names them, begin the row."""
    pk, actor, action, subject_type, subject_id, data, created_at = row[:7]
    return Entry(
        id=pk,
        actor=actor,
        action=action,
        subject_type=subject_type,
        subject_id=subject_id,
        at=moment(created_at),
        data=json.loads(data),
    )


def moment(when: datetime) -> str:
    """As the chain writes times."""
    return when.astimezone(UTC).isoformat(timespec="microseconds")


def chain_state() -> AuditChain:
    """The chain's row, made where there is none yet."""
    return AuditChain.objects.get_or_create(pk=1)[0]


def server_state(cursor: CursorWrapper) -> tuple[str, str]:
    """Which database server this is, and the transaction before which all are over."""
    cursor.execute(SERVER)
    cluster, settled = cursor.fetchone()
    return cluster, settled


def _batch(after: int, limit: int) -> list[Row]:
    """Seal one batch, in one transaction; its rows. `after` is the last entry of the batch before."""
    rows: list[Row]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
        if not cursor.fetchone()[0]:
            return []
        chain = chain_state()
        # Before the entries are looked at: whatever they do not show is of a later transaction.
        cluster, settled = server_state(cursor)
        if chain.cluster != cluster:
            cursor.execute(WHOLE, {"after": after, "limit": limit})
            rows = cursor.fetchall()
            if len(rows) < limit and not after:
                AuditChain.objects.filter(pk=chain.pk).update(cluster=cluster)
                _horizon_write(cursor, settled)
        else:
            cursor.execute(
                INTERVAL, {"horizon": chain.horizon, "after": after, "settled": settled, "limit": limit}
            )
            rows = cursor.fetchall()
            _horizon_write(cursor, rows[-1][-1] if len(rows) == limit else settled)
        _insert(cursor, rows)
        return rows


def _insert(cursor: CursorWrapper, rows: Sequence[Row]) -> None:
    if not rows:
        return
    last = head()
    links: list[Link] = []
    for row in rows:
        link = link_make(last.position + 1, entry_of(row), secrets.token_hex(16), last.hash)
        links.append(link)
        last = Head(position=link.position, hash=link.hash)
    fields = ("position", "entry_id", "salt", "digest", "hash")
    cursor.execute(INSERT, [[getattr(link, name) for link in links] for name in fields])


def head() -> Head:
    """The newest link of the chain."""
    newest = AuditSeal.objects.order_by("-position").values_list("position", "hash").first()
    return Head(position=newest[0], hash=newest[1]) if newest else Head(position=0, hash=FIRST)


def _horizon_write(cursor: CursorWrapper, horizon: str) -> None:
    cursor.execute("UPDATE accounts_auditchain SET horizon = %s::text::xid8 WHERE id = 1", [horizon])
