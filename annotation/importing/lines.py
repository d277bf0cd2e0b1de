"""Lines of a text file, gzip or not, with their numbers; broken ones are refused one by one."""

import gzip
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from annotation.importing.refusal import Reason, Refusal, RowRefused

GZIP_MAGIC = b"\x1f\x8b"
MAX_LINE_BYTES = 16 * 1024 * 1024
MAX_DEPTH_ERROR = "nested too deeply"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One JSON object and its line."""

    line: int
    fields: dict[str, Any]  # Any: JSON of someone else


def read_rows(path: Path) -> Iterator[Row | Refusal]:
    """The JSON objects of a JSONL file in order, and a refusal for each line that is none.

    Blank lines are passed over. Raises OSError where the file cannot be opened.
    """
    with path.open("rb") as raw:
        is_gzip = raw.read(len(GZIP_MAGIC)) == GZIP_MAGIC
        raw.seek(0)
        lines = cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if is_gzip else raw
        yield from _rows(lines)


def _rows(lines: BinaryIO) -> Iterator[Row | Refusal]:
    number = 0
    while True:
        number += 1
        try:
            line = lines.readline(MAX_LINE_BYTES + 1)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            yield Refusal(line=number, reason=Reason.CUT_OFF, detail=str(error))
            return
        if not line:
            return
        if len(line) > MAX_LINE_BYTES:
            yield Refusal(line=number, reason=Reason.TOO_LONG, detail=f"over {MAX_LINE_BYTES} bytes")
            if not _skip_line(lines):
                return
            continue
        try:
            fields = _object(line)
        except RowRefused as refused:
            yield Refusal(line=number, reason=refused.reason, detail=refused.detail)
            continue
        if fields is not None:
            yield Row(line=number, fields=fields)


def _skip_line(lines: BinaryIO) -> bool:
    """Read on to the next line; False at the end of the file, or where it is broken."""
    while True:
        try:
            rest = lines.readline(MAX_LINE_BYTES)
        except (EOFError, gzip.BadGzipFile, zlib.error):
            return False
        if not rest:
            return False
        if rest.endswith(b"\n"):
            return True


def _object(line: bytes) -> dict[str, Any] | None:  # Any: JSON of someone else
    try:
        text = line.decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise RowRefused(Reason.NOT_UTF8, f"byte {error.start + 1}") from error
    if not text:
        return None
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise RowRefused(Reason.NOT_JSON, MAX_DEPTH_ERROR) from error
    except ValueError as error:
        raise RowRefused(Reason.NOT_JSON, str(error)) from error
    if not isinstance(value, dict):
        raise RowRefused(Reason.NOT_AN_OBJECT, f"it is a {type(value).__name__}")
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")
