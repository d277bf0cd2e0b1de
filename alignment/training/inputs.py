"""Reads the records that a training program learns from and encodes them as rows.

Comes in: a JSONL file of records and an Encoder. Goes out: rows, and how many records were too long.
What a user can mend is a ProgramError with the file and the line.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import ValidationError

from alignment.encoding import EncodedExample, encode_preference, encode_sft
from alignment.records import SftExample
from alignment.training.rows import Row
from annotation.records import PreferenceRecord, Record
from pretrain.encoders import Encoder
from pretrain.run import ProgramError

RecordT = TypeVar("RecordT", bound=Record)


@dataclass(frozen=True, kw_only=True)
class Inputs(Generic[RecordT]):
    """The examples of one file, in its order."""

    records: list[RecordT]
    """The record of each row."""
    rows: list[Row]
    """One for each judgement, and for each message that an SFT example teaches."""
    num_skipped: int
    """Records left out because their rows were too long, or longer than the model reads."""


def preference_inputs(
    path: Path, encoder: Encoder, max_row_tokens: int, window: int | None = None
) -> Inputs[PreferenceRecord]:
    """The preference records of a file. Raises ProgramError where it has none to train on.

    `window` is how many tokens the model reads: a context with one of its responses must fit into it.
    """
    return read_inputs(
        path, PreferenceRecord, lambda record: [preference_row(record, encoder)], max_row_tokens, window
    )


def sft_inputs(
    path: Path, encoder: Encoder, max_row_tokens: int, window: int | None = None
) -> Inputs[SftExample]:
    """The SFT examples of a file. Raises ProgramError where it has none to train on."""
    return read_inputs(path, SftExample, lambda example: sft_rows(example, encoder), max_row_tokens, window)


def preference_row(record: PreferenceRecord, encoder: Encoder) -> Row:
    """A judgement as a row of its ranked responses. Raises ProgramError where there is nothing to rank."""
    return row_of(encode_preference(record, encoder))


def sft_rows(example: SftExample, encoder: Encoder) -> list[Row]:
    """An SFT example as rows of one response, one for each message that it teaches."""
    return [row_of(encoded) for encoded in encode_sft(example, encoder)]


def row_of(encoded: EncodedExample) -> Row:
    """What the losses take."""
    return Row(context=encoded.context, responses=encoded.responses, format_masks=encoded.format_masks)


def read_inputs(
    path: Path,
    record_type: type[RecordT],
    rows_of: Callable[[RecordT], list[Row]],
    max_row_tokens: int,
    window: int | None,
) -> Inputs[RecordT]:
    """Records and rows of a JSONL file, without those too long for `max_row_tokens` or for the window."""
    records: list[RecordT] = []
    rows: list[Row] = []
    num_skipped = num_beyond = 0
    for number, line in numbered_lines(path):
        try:
            record = record_type.model_validate_json(line)
            found = rows_of(record)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise ProgramError(f"{path}, line {number}: {where}: {first['msg']}.") from error
        except ProgramError as error:
            raise ProgramError(f"{path}, line {number}: {error}") from error
        if max(row.num_tokens for row in found) > max_row_tokens:
            num_skipped += 1
            continue
        if window is not None and max(row.longest for row in found) > window:
            num_beyond += 1
            continue
        records += [record] * len(found)
        rows += found
    if not rows:
        raise ProgramError(nothing_left(path, num_skipped, num_beyond, max_row_tokens, window))
    return Inputs(records=records, rows=rows, num_skipped=num_skipped + num_beyond)


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a text file that are not blank, counted from 1."""
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield number, line
    except FileNotFoundError as error:
        raise ProgramError(f"There is no {path}: give the path of a JSONL file.") from error
    except UnicodeDecodeError as error:
        raise ProgramError(f"{path} is not UTF-8 text: convert it first.") from error


def nothing_left(
    path: Path, num_skipped: int, num_beyond: int, max_row_tokens: int, window: int | None
) -> str:
    """Why there is nothing to train on, as a sentence."""
    if num_beyond:
        return (
            f"{num_beyond} examples of {path} are longer than the {window} tokens that the model reads, and "
            "none is left: shorten them, or use a base with a longer context window."
        )
    if num_skipped == 0:
        return f"{path} holds no records: collect some before training."
    return (
        f"All {num_skipped} examples of {path} are longer than {max_row_tokens} tokens: "
        "raise max_row_tokens or shorten them."
    )
