"""Prompt files: `{"id", "domain", "language", "context", "split"}`, as JSON lines, Parquet or a folder.

In place of `context` (messages) a row may have `prompt` (the user's text, or messages) and `system`, or
`messages` (a whole dialog: what comes before the assistant's last answer). Only one of them must be there; a
prompt without an id is named by its content, one without a split trains.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
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
from annotation.importing.limits import Limits
from annotation.importing.refusal import Reason, Refusal, RowRefused
from annotation.importing.sources import LIMITS, read_rows
from annotation.records import Message, Record

SPLITS = ("train", "holdout")


class ImportedPrompt(Record):
    """One prompt of a file; `split` is None where the file does not say."""

    id: str
    domain: str
    language: str
    context: tuple[Message, ...]
    split: Literal["train", "holdout"] | None


@dataclass(frozen=True, kw_only=True)
class ReadPrompt:
    """A prompt and its place in the file; `where` as in `Refusal`."""

    line: int
    where: str
    prompt: ImportedPrompt


def read_prompts(
    path: Path, *, limits: Limits = LIMITS, splits: Sequence[str] = ()
) -> Iterator[ReadPrompt | Refusal]:
    """The prompts of a file or a `datasets` folder, and a refusal for each row that is none.

    Raises OSError where it cannot be opened.
    """
    for row in read_rows(path, limits=limits, splits=splits):
        if isinstance(row, Refusal):
            yield row
            continue
        try:
            yield ReadPrompt(line=row.line, where=row.where, prompt=parse(row.fields))
        except RowRefused as refused:
            yield Refusal(line=row.line, reason=refused.reason, detail=refused.detail, where=row.where)


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
    if fields.get("context") is not None:
        return parse_messages(fields["context"], "context")
    system = fields.get("system")
    before = [] if system in (None, "") else [{"role": "system", "content": system}]
    prompt = fields.get("prompt")
    if isinstance(prompt, list):
        return parse_messages([*before, *prompt], "prompt")
    if prompt is not None:
        return parse_messages([*before, {"role": "user", "content": prompt}], "prompt")
    if fields.get("messages") is None:
        raise RowRefused(Reason.MISSING, "context, prompt or messages")
    messages = parse_messages(fields["messages"], "messages")
    answers = takewhile(lambda message: message.role == "assistant", reversed(messages))
    return messages[: len(messages) - len(list(answers))]


def _id(fields: Fields, default: str) -> str:
    given = fields.get("id")
    if isinstance(given, int) and not isinstance(given, bool):
        return str(given)
    return text_field(fields, "id", default=default, max_characters=ID_CHARACTERS)
