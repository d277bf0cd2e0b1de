"""The chain as the database has it, link by link, verified in one look at it while writers go on."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction
from django.utils import timezone

from accounts.audit.chain import ChainBroken, Entry, Head, Link, Verdict, verify
from accounts.audit.sealing import ENTRY, UNSEALED, audit_seal, chain_state, entry_of, server_state
from accounts.models import AuditChain

LINKS = f"""
SELECT {ENTRY}, s.position, s.entry_id, s.salt, s.digest, s.hash
FROM accounts_auditseal s LEFT JOIN accounts_auditentry e ON e.id = s.entry_id
ORDER BY s.position
"""
REST = f"SELECT {ENTRY} FROM accounts_auditentry e WHERE {UNSEALED} ORDER BY e.id"
INSERTED = f"""
SELECT e.id FROM accounts_auditentry e
WHERE (e.transaction IS NULL OR e.transaction < %(horizon)s::text::xid8) AND {UNSEALED}
ORDER BY e.id LIMIT 1
"""


def audit_verify(kept: Head | None = None) -> Verdict:
    """Seal what can be, then verify everything, and keep for the page how it went. Raises ChainBroken."""
    audit_seal()
    state = AuditChain.objects.filter(pk=chain_state().pk)
    try:
        with one_look():
            _nothing_inserted()
            verdict = verify(links(), rest=rest(), kept=kept)
    except ChainBroken as broken:
        state.update(verified_at=timezone.now(), problem=str(broken))
        raise
    state.update(verified_at=timezone.now(), verified_position=verdict.head.position, problem="")
    return verdict


@contextmanager
def one_look() -> Iterator[None]:
    """Everything that is read within is as it stood at one moment."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def links() -> Iterator[Link]:
    """The chain in its order, read as it is needed. Call it in a transaction."""
    with connection.chunked_cursor() as cursor:
        cursor.execute(LINKS)
        for row in cursor:
            position, entry_id, salt, digest, link_hash = row[7:]
            yield Link(
                position=position,
                entry_id=entry_id,
                entry=None if row[0] is None else entry_of(row),
                salt=salt,
                digest=digest,
                hash=link_hash,
            )


def rest() -> Iterator[Entry]:
    """The entries that are not sealed yet. Call it in a transaction."""
    with connection.chunked_cursor() as cursor:
        cursor.execute(REST)
        for row in cursor:
            yield entry_of(row)


def _nothing_inserted() -> None:
    """Raises ChainBroken where an entry outside the chain says that it is older than the chain's end."""
    chain = AuditChain.objects.get(pk=1)
    with connection.cursor() as cursor:
        if chain.cluster != server_state(cursor)[0]:
            return
        cursor.execute(INSERTED, {"horizon": chain.horizon})
        found = cursor.fetchone()
    if found is not None:
        raise ChainBroken(f"Entry {found[0]} was inserted: it says it is older than the chain's end.")
