"""The chain over the audit log: each link's hash covers its entry and the hash before it. Pure.

A link does not hold the entry's data itself but a salted digest of it, so that a person can be forgotten:
data and salt go, the digest says nothing any more, and the chain still verifies. What then stands in their
place is named, with its own digest, by an entry of the action REDACT, which is in the chain like all others.

The construction is the one of linked time-stamps: S. Haber and W. S. Stornetta, How to Time-Stamp a Digital
Document, Journal of Cryptology 3 (1991).
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

Data = dict[str, Any]  # Any: JSON

FIRST = "0" * 64
"""What stands for the hash before the first link."""
REDACT = "audit.redact"
"""The action of entries that say which others were redacted: {"entries": {id: digest of what is left}}."""


class ChainBroken(Exception):
    """The log is not what was sealed; the sentence names the first place where that shows."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """An audit entry as the chain sees it."""

    id: int
    actor: int | None
    action: str
    subject_type: str
    subject_id: str
    at: str
    """ISO 8601 in UTC, with microseconds."""
    data: Data


@dataclass(frozen=True, kw_only=True)
class Link:
    """One place of the chain."""

    position: int
    entry_id: int
    entry: Entry | None
    """None where the log has lost it."""
    salt: str
    """Empty where the data was redacted."""
    digest: str
    hash: str


@dataclass(frozen=True, kw_only=True)
class Head:
    """A place of the chain and its hash: kept elsewhere, it proves everything up to there."""

    position: int
    hash: str

    def __str__(self) -> str:
        return f"{self.position}:{self.hash}"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a whole chain comes to."""

    head: Head
    num_redacted: int


def head_parse(text: str) -> Head:
    """A head as it is printed, `POSITION:HASH`. Raises ValueError."""
    position, _, digest = text.strip().partition(":")
    if not position.isdecimal() or len(digest) != 64:
        raise ValueError(f"{text!r} is no head of a chain: give one as it was printed, POSITION:HASH.")
    return Head(position=int(position), hash=digest)


def data_digest(salt: str, data: Data) -> str:
    """SHA-256 of the salt and the data; 64 hex digits."""
    return hashlib.sha256(f"{salt}\n{_canonical(data)}".encode()).hexdigest()


def link_hash(position: int, entry: Entry, digest: str, previous: str) -> str:
    """SHA-256 of what a link covers; 64 hex digits."""
    told = {
        "position": position,
        "id": entry.id,
        "actor": entry.actor,
        "action": entry.action,
        "subject_type": entry.subject_type,
        "subject_id": entry.subject_id,
        "at": entry.at,
        "data": digest,
        "previous": previous,
    }
    return hashlib.sha256(_canonical(told).encode()).hexdigest()


def link_make(position: int, entry: Entry, salt: str, previous: str) -> Link:
    """The entry's link at this place, after the link with the hash `previous`."""
    digest = data_digest(salt, entry.data)
    return Link(
        position=position,
        entry_id=entry.id,
        entry=entry,
        salt=salt,
        digest=digest,
        hash=link_hash(position, entry, digest, previous),
    )


def verify(links: Iterable[Link], *, rest: Iterable[Entry] = (), kept: Head | None = None) -> Verdict:
    """Walk the chain from its first link, in the order of places. Raises ChainBroken.

    `rest` are entries that are not sealed yet: they may say what was redacted. `kept` is a head of the same
    chain, from earlier: without one nobody can know whether the newest links were cut off.
    """
    last = Head(position=0, hash=FIRST)
    left: dict[int, str] = {}
    said: dict[str, str] = {}
    for link in links:
        entry = _checked(link, last)
        if link.salt == "":
            left[entry.id] = data_digest("", entry.data)
        if entry.action == REDACT:
            said.update(entry.data["entries"])
        last = Head(position=link.position, hash=link.hash)
        if kept is not None and kept.position == last.position and kept != last:
            raise ChainBroken(
                f"Place {kept.position} has another hash than the one kept: it was written anew."
            )
    for entry in rest:
        if entry.action == REDACT:
            said.update(entry.data["entries"])
    if kept is not None and kept.position > last.position:
        raise ChainBroken(
            f"The chain ends at place {last.position}, before place {kept.position} that was kept: "
            "its end was cut off."
        )
    for entry_id, digest in sorted(left.items()):
        if said.get(str(entry_id)) != digest:
            raise ChainBroken(f"The data of entry {entry_id} was changed: no erasure says that it left this.")
    return Verdict(head=last, num_redacted=len(left))


def _checked(link: Link, last: Head) -> Entry:
    if link.position != last.position + 1:
        raise ChainBroken(f"Place {last.position + 1} of the chain is gone: its entry was deleted.")
    entry = link.entry
    if entry is None:
        raise ChainBroken(f"Entry {link.entry_id} (place {link.position}) was deleted.")
    if link.salt and data_digest(link.salt, entry.data) != link.digest:
        raise ChainBroken(f"The data of entry {entry.id} (place {link.position}) was changed.")
    if link_hash(link.position, entry, link.digest, last.hash) != link.hash:
        raise ChainBroken(
            f"Entry {entry.id} (place {link.position}) was changed, or put there after it was sealed."
        )
    return entry


def _canonical(value: object) -> str:
    """The one way to write the JSON value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
