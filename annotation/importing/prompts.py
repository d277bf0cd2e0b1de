"""Prompt files (JSONL): `{"id", "domain", "language", "context", "split"}`.

In place of `context` (messages) a row may have `prompt` (the user's text) and `system`. Only one of the
two must be there; a prompt without an id is named by its content, one without a split trains.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from annotation.importing.fields import (
    ID_CHARACTERS,
    LANGUAGE_CHARACTERS,
    NAME_CHARACTERS,
    Fields,
    check_context,
    content_digest,
    parse_messages,
    text_field,
)
from annotation.importing.lines import read_rows
from annotation.importing.refusal import Reason, Refusal, RowRefused
from annotation.records import Message, Record

SPLITS = ("train", "holdout")


class ImportedPrompt(Record):
    """One prompt of a file; `split` is None where the file does not say."""

    id: str
    domain: str
    language: str
    context: tuple[Message, ...]
    split: Literal["train", "holdout"] | None


def read_prompts(path: Path) -> Iterator[tuple[int, ImportedPrompt] | Refusal]:
    """The prompts of a file with their lines, and a refusal for each row that is none."""
    for row in read_rows(path):
        if isinstance(row, Refusal):
            yield row
            continue
        try:
            yield row.line, parse(row.fields)
        except RowRefused as refused:
            yield Refusal(line=row.line, reason=refused.reason, detail=refused.detail)


def parse(fields: Fields) -> ImportedPrompt:
    """One row as a prompt. Raises RowRefused."""
    context = _context(fields)
    check_context(context)
    split = fields.get("split")
    if split is not None and split not in SPLITS:
        raise RowRefused(
            Reason.WRONG_TYPE, f"split must be train or holdout, not {split!r}"[:NAME_CHARACTERS]
        )
    return ImportedPrompt(
        id=_id(fields, prompt_id(context)),
        domain=text_field(fields, "domain", default="general", max_characters=NAME_CHARACTERS),
        language=text_field(fields, "language", default="en", max_characters=LANGUAGE_CHARACTERS),
        context=context,
        split=split,
    )


def prompt_id(context: Sequence[Message]) -> str:
    """The name of a prompt that has none of its own, made of its content."""
    return f"prompt-{content_digest([message.model_dump() for message in context])}"


def _context(fields: Fields) -> tuple[Message, ...]:
    if "context" in fields:
        return parse_messages(fields["context"], "context")
    if fields.get("prompt") is None:
        raise RowRefused(Reason.MISSING, "context or prompt")
    system = fields.get("system")
    before = [] if system in (None, "") else [{"role": "system", "content": system}]
    return parse_messages([*before, {"role": "user", "content": fields["prompt"]}], "prompt")


def _id(fields: Fields, default: str) -> str:
    given = fields.get("id")
    if isinstance(given, int) and not isinstance(given, bool):
        return str(given)
    return text_field(fields, "id", default=default, max_characters=ID_CHARACTERS)
