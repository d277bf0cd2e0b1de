"""Lines of a text file, gzip or not, with their numbers; broken ones are refused one by one."""

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

from annotation.importing.encodings import HEAD_BYTES, check_head
from annotation.importing.refusal import Reason, Refusal, RowRefused
from annotation.importing.rows import MAX_ROW_BYTES, Ration, Row

GZIP_MAGIC = b"\x1f\x8b"
MAX_LINE_BYTES = MAX_ROW_BYTES
MAX_DEPTH_ERROR = "nested too deeply"
BROKEN = (EOFError, gzip.BadGzipFile, zlib.error)


def read_lines(path: Path, ration: Ration, *, within: str = "") -> Iterator[Row | Refusal]:
    """The JSON objects of a JSONL file in order, and a refusal for each line that is none.

    Blank lines are passed over. `within` names the file in a folder. Raises OSError where it cannot be
    opened.
    """
    where = f"{within}, line" if within else "line"
    with path.open("rb") as raw:
        is_gzip = raw.read(len(GZIP_MAGIC)) == GZIP_MAGIC
        raw.seek(0)
        lines = cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if is_gzip else raw
        try:
            head = lines.read(HEAD_BYTES)
        except BROKEN:
            head = b""  # The lines before the damage are read below.
        try:
            check_head(head, path.name)
        except RowRefused as refused:
            yield Refusal(line=0, reason=refused.reason, detail=refused.detail, where=where)
            return
        raw.seek(0)
        lines = cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if is_gzip else raw
        yield from _rows(lines, ration, where)


def _rows(lines: BinaryIO, ration: Ration, where: str) -> Iterator[Row | Refusal]:
    number = 0
    while True:
        number += 1
        try:
            line = lines.readline(MAX_LINE_BYTES + 1)
            if not line:
                return
            ration.take(len(line), 1)
            if len(line) > MAX_LINE_BYTES:
                yield _refusal(number, where, Reason.TOO_LONG, f"over {MAX_LINE_BYTES} bytes")
                if not _skip_line(lines, ration):
                    return
                continue
        except BROKEN as error:
            yield _refusal(number, where, Reason.CUT_OFF, str(error))
            return
        except RowRefused as refused:
            yield _refusal(number, where, refused.reason, refused.detail)
            return
        try:
            fields = _object(line)
        except RowRefused as refused:
            yield _refusal(number, where, refused.reason, refused.detail)
            continue
        if fields is not None:
            yield Row(line=number, fields=fields, where=where)


def _refusal(number: int, where: str, reason: Reason, detail: str) -> Refusal:
    return Refusal(line=number, reason=reason, detail=detail, where=where)


def _skip_line(lines: BinaryIO, ration: Ration) -> bool:
    """Read on to the next line; False at the end of the file. Raises what `_rows` catches."""
    while rest := lines.readline(MAX_LINE_BYTES):
        ration.take(len(rest), 0)
        if rest.endswith(b"\n"):
            return True
    return False


def _object(line: bytes) -> dict[str, Any] | None:  # Any: JSON of someone else
    try:
        text = line.decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise RowRefused(
            Reason.NOT_UTF8, f"byte {error.start + 1}; save it as UTF-8, as `iconv -t UTF-8` does"
        ) from error
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
