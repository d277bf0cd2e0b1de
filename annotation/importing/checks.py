"""Files of checks (JSONL): `{"kind", "context" or "prompt", "better", "worse", "weakest", "strongest", …}`.

`kind` is gold, attention or qualification (gold where it is left out); `weakest` and `strongest` are the
grades that pass, all of them where left out; `explanation` is Markdown; `domain`, `language` and `system` as
in a file of prompts.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from annotation.importing.fields import Fields, check_content, text_field
from annotation.importing.prompts import parse as parse_prompt
from annotation.importing.refusal import Reason, Refusal, RowRefused
from annotation.importing.sources import read_rows
from annotation.records import Message, Record, Strength

KINDS = ("gold", "attention", "qualification")
EXPLANATION_CHARACTERS = 20_000


class ImportedCheck(Record):
    """One check of a file."""

    kind: Literal["gold", "attention", "qualification"]
    context: tuple[Message, ...]
    better: str
    worse: str
    weakest: Strength
    strongest: Strength
    explanation: str
    domain: str
    language: str


def read_checks(path: Path) -> Iterator[tuple[int, ImportedCheck] | Refusal]:
    """The checks of a file with their lines, and a refusal for each row that is none."""
    for row in read_rows(path):
        if isinstance(row, Refusal):
            yield row
            continue
        try:
            yield row.line, parse(row.fields)
        except RowRefused as refused:
            yield Refusal(line=row.line, reason=refused.reason, detail=refused.detail)


def parse(fields: Fields) -> ImportedCheck:
    """One row as a check. Raises RowRefused."""
    asked = parse_prompt({name: value for name, value in fields.items() if name not in ("id", "split")})
    kind = text_field(fields, "kind", default="gold", max_characters=20)
    if kind not in KINDS:
        raise RowRefused(Reason.WRONG_TYPE, f"kind is one of {', '.join(KINDS)}")
    better, worse = (check_content(fields.get(name), name) for name in ("better", "worse"))
    if better.strip() == worse.strip():
        raise RowRefused(Reason.IDENTICAL_RESPONSES)
    weakest = _strength(fields, "weakest", Strength.MARGINALLY_BETTER)
    strongest = _strength(fields, "strongest", Strength.SIGNIFICANTLY_BETTER)
    order = list(Strength)
    if order.index(strongest) > order.index(weakest):
        raise RowRefused(Reason.UNKNOWN_STRENGTH, "strongest is weaker than weakest")
    return ImportedCheck.model_validate(
        {
            "kind": kind,
            "context": asked.context,
            "better": better,
            "worse": worse,
            "weakest": weakest,
            "strongest": strongest,
            "explanation": text_field(
                fields, "explanation", default="", max_characters=EXPLANATION_CHARACTERS
            ),
            "domain": asked.domain,
            "language": asked.language,
        }
    )


def _strength(fields: Fields, name: str, default: Strength) -> Strength:
    given = text_field(fields, name, default=default.value, max_characters=40)
    try:
        return Strength(given)
    except ValueError as error:
        raise RowRefused(Reason.UNKNOWN_STRENGTH, f"{name}: {given}") from error
