"""Reads a program's files as far as a page needs them: their ends, and a thinned view of the whole.

A run of days writes hundreds of megabytes; a page must take no longer for it. Pure: paths in, rows out.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Row = dict[str, Any]  # Any: JSON

TAIL_BYTES = 32 * 1024
WHOLE_BYTES = 64 * 1024
"""Files up to this size are read whole."""
NUM_PIECES, PIECE_BYTES = 64, 1024
"""Of a larger file so many pieces are read, evenly spread over it, and then its end."""


def tail_text(path: Path, num_bytes: int) -> str:
    """The end of a text file, from the beginning of a line; empty where there is none."""
    data = _read(path, max(0, _size(path) - num_bytes), num_bytes)
    if len(data) == num_bytes:
        _, _, data = data.partition(b"\n")
    return data.decode(errors="replace")


def tail_rows(path: Path) -> list[Row]:
    """The newest rows of a file of JSON lines, oldest first."""
    size = _size(path)
    return list(_rows(_read(path, max(0, size - TAIL_BYTES), TAIL_BYTES), cut=size > TAIL_BYTES))


def spread_rows(path: Path) -> list[Row]:
    """Rows from all over a file of JSON lines, in order: all of a small one."""
    size = _size(path)
    if size <= WHOLE_BYTES:
        return list(_rows(_read(path, 0, size), cut=False))
    found: list[Row] = []
    for piece in range(NUM_PIECES):
        start = (size - PIECE_BYTES) * piece // (NUM_PIECES - 1)
        found += _rows(_read(path, start, PIECE_BYTES), cut=start > 0)
    return found


def _rows(data: bytes, *, cut: bool) -> Iterator[Row]:
    """The whole lines of a piece; with `cut` it may begin within one."""
    lines = data.split(b"\n")
    for line in lines[1:] if cut else lines:
        try:
            row = json.loads(line)
        except ValueError:  # cut off by the piece's end, or by a crash
            continue
        if isinstance(row, dict):
            yield row


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _read(path: Path, start: int, num_bytes: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(start)
            return file.read(num_bytes)
    except OSError:
        return b""
