"""Preference files of any known format: each row becomes a record or a refusal."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from annotation.importing import accord, hh, trl
from annotation.importing.fields import Fields
from annotation.importing.limits import Limits
from annotation.importing.refusal import Reason, Refusal, RowRefused
from annotation.importing.sources import LIMITS, read_rows
from annotation.records import PreferenceRecord


class Format(StrEnum):
    """The forms of preference data that are read."""

    ACCORD = "accord"
    HH = "hh"
    TRL = "trl"


PARSERS: dict[Format, Callable[[Fields], PreferenceRecord]] = {
    Format.ACCORD: accord.parse,
    Format.HH: hh.parse,
    Format.TRL: trl.parse,
}
WITHOUT_STRENGTH = (Format.HH, Format.TRL)
"""Forms that say which answer is better, not how much."""


@dataclass(frozen=True, kw_only=True)
class ReadRecord:
    """A record, its line and the form it had."""

    line: int
    format: Format
    record: PreferenceRecord


def read_preferences(
    path: Path, format_: Format | None, *, limits: Limits = LIMITS, splits: Sequence[str] = ()
) -> Iterator[ReadRecord | Refusal]:
    """The records of a file or a `datasets` folder in order, and a refusal for each row that is none.

    Without `format_` each row's form is told by its fields. Raises OSError where it cannot be opened.
    """
    for row in read_rows(path, limits=limits, splits=splits):
        if isinstance(row, Refusal):
            yield row
            continue
        try:
            form = format_ or format_of(row.fields)
            yield ReadRecord(line=row.line, format=form, record=PARSERS[form](row.fields))
        except RowRefused as refused:
            yield Refusal(line=row.line, reason=refused.reason, detail=refused.detail, where=row.where)


def format_of(fields: Fields) -> Format:
    """The form of one row, by its fields. Raises RowRefused where it has none."""
    if "responses" in fields and "context" in fields:
        return Format.ACCORD
    if "chosen" in fields and "rejected" in fields:
        if "prompt" not in fields and hh.is_transcript(fields["chosen"]):
            return Format.HH
        return Format.TRL
    raise RowRefused(Reason.UNKNOWN_FORMAT, f"its fields are {', '.join(sorted(fields)[:8]) or 'none'}")
