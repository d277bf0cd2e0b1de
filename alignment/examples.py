"""One example out of a JSONL file: a judgement, an SFT example or a prompt, told apart by its fields.

Pure: no Django, no torch. What a user can mend is a ProgramError.
"""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from pydantic import ValidationError

from alignment.records import PromptRecord, SftExample
from annotation.records import PreferenceRecord
from pretrain.run import ProgramError

Example = PreferenceRecord | SftExample | PromptRecord


def read_example(path: Path, line: int) -> Example:
    """The example in line `line`, counted from 1. Raises ProgramError where there is none."""
    number = 0
    try:
        for number, text in enumerate(lines_of(path), start=1):
            if number == line:
                return parse_example(text)
    except (ProgramError, UnicodeDecodeError) as error:
        raise ProgramError(f"{path}, line {line}: {error}") from error
    except FileNotFoundError as error:
        raise ProgramError(f"There is no {path}: give the path of a JSONL file.") from error
    except (gzip.BadGzipFile, EOFError) as error:
        raise ProgramError(f"{path} is a damaged gzip file: copy it again.") from error
    raise ProgramError(f"{path} has {number} lines: choose a line from 1 to {number}.")


def lines_of(path: Path) -> Iterator[str]:
    """The lines of a text file, gzipped or not."""
    with open_text(path) as lines:
        yield from lines


def open_text(path: Path) -> IO[str]:
    """The file, open for reading."""
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8")
    return path.open(encoding="utf-8")


def parse_example(line: str) -> Example:
    """The record of one line. Raises ProgramError with what is wrong."""
    try:
        fields = json.loads(line)
    except ValueError as error:
        raise ProgramError("the line is no JSON: write one JSON object a line.") from error
    if not isinstance(fields, dict) or "context" not in fields:
        raise ProgramError(
            'the line is no example: give a preference record, an SFT example or a prompt with its "context".'
        )
    record_type: type[Example] = PromptRecord
    if "responses" in fields:
        record_type = PreferenceRecord
    elif "response" in fields:
        record_type = SftExample
    try:
        return record_type.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ProgramError(f"{where}: {first['msg']}.") from error
