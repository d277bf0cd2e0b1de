"""The audit log to look through: entries by who, what, on what and when, newest first."""

from dataclasses import dataclass
from datetime import date

from django.db.models import QuerySet

from accounts.audit.chain import Head
from accounts.audit.sealing import head
from accounts.models import AuditChain, AuditEntry

PER_PAGE = 50


@dataclass(frozen=True, kw_only=True)
class AuditFilter:
    """What is looked for; empty: anything."""

    who: str = ""
    """A username."""
    what: str = ""
    """How the action begins: `judgement`, `round.launch`."""
    subject: str = ""
    """A kind (`annotation.comparison`), or a kind and a number after a space."""
    since: date | None = None
    until: date | None = None
    before: int | None = None
    """Entries older than this one: the next page."""


@dataclass(frozen=True, kw_only=True)
class ChainShown:
    """What a page says of the chain."""

    head: Head
    state: AuditChain


def entries_found(chosen: AuditFilter) -> tuple[list[AuditEntry], bool]:
    """One page of entries, newest first, and whether there are older ones.

    By number and not by page: counting a long log takes longer than reading a page of it.
    """
    found: QuerySet[AuditEntry] = AuditEntry.objects.select_related("actor").order_by("-pk")
    if chosen.who:
        found = found.filter(actor__username=chosen.who)
    if chosen.what:
        found = found.filter(action__startswith=chosen.what)
    kind, _, number = chosen.subject.strip().partition(" ")
    if kind:
        found = found.filter(subject_type=kind)
    if number:
        found = found.filter(subject_id=number.strip())
    if chosen.since:
        found = found.filter(created_at__date__gte=chosen.since)
    if chosen.until:
        found = found.filter(created_at__date__lte=chosen.until)
    if chosen.before:
        found = found.filter(pk__lt=chosen.before)
    page = list(found[: PER_PAGE + 1])
    return page[:PER_PAGE], len(page) > PER_PAGE


def chain_shown() -> ChainShown:
    """How the chain stands."""
    return ChainShown(head=head(), state=AuditChain.objects.first() or AuditChain())
