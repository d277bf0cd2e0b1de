"""What a reader finds in an input file: a page, something that is no page, or something unreadable.

Every record becomes exactly one of the three, so that the counts of a file add up.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class RawPage:
    """A page as it was stored, or a text that needs no extraction."""

    offset: int
    """Byte of the WARC record or of the line, or the number of the row."""
    body: bytes | None = None
    """HTML, not decoded; None where `text` is given."""
    text: str | None = None
    charset: str | None = None
    """As the server named it."""
    url: str | None = None
    date: str | None = None
    language: str | None = None


@dataclass(frozen=True, kw_only=True)
class NoPage:
    """A sound record without text for training: a request, a picture, a page of an error."""

    offset: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class Unreadable:
    """A record that cannot be read."""

    offset: int
    reason: str


Raw = RawPage | NoPage | Unreadable
