"""Rows as the bytes of a file, piece by piece: JSON lines, the same in gzip, or Parquet.

The same rows give the same bytes: no file carries a name or a time.
"""

import io
import itertools
import json
import zlib
from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from annotation.exporting.rows import SCHEMAS, Row

ENCODINGS = ("jsonl", "jsonl.gz", "parquet")
ENDINGS = tuple(f".{encoding}" for encoding in ENCODINGS)
CONTENT_TYPES = {
    "jsonl": "application/jsonl",
    "jsonl.gz": "application/gzip",
    "parquet": "application/vnd.apache.parquet",
}
ROWS_A_GROUP = 2000
"""Of Parquet. Each group is in memory as a whole."""
PIECE_BYTES = 64 * 1024
GZIP_WINDOW = 31
"""zlib writes the gzip header itself, without name or time."""


def encoding_of(name: str) -> str:
    """The encoding that a file's name asks for. Raises ValueError for an unknown ending."""
    for encoding in reversed(ENCODINGS):
        if name.endswith(f".{encoding}"):
            return encoding
    raise ValueError(f"{name} must end in one of {', '.join(ENDINGS)}.")


def encoded(rows: Iterable[Row], *, format_: str, encoding: str) -> Iterator[bytes]:
    """The file's bytes in order; memory does not grow with the rows."""
    if encoding == "parquet":
        return _parquet(iter(rows), SCHEMAS[format_])
    pieces = _lines(rows)
    return _gzipped(pieces) if encoding == "jsonl.gz" else pieces


def _lines(rows: Iterable[Row]) -> Iterator[bytes]:
    waiting, size = [], 0
    for row in rows:
        line = (json.dumps(row, ensure_ascii=False) + "\n").encode()
        waiting.append(line)
        size += len(line)
        if size >= PIECE_BYTES:
            yield b"".join(waiting)
            waiting, size = [], 0
    if waiting:
        yield b"".join(waiting)


def _gzipped(pieces: Iterable[bytes]) -> Iterator[bytes]:
    packing = zlib.compressobj(wbits=GZIP_WINDOW)
    for piece in pieces:
        packed = packing.compress(piece)
        if packed:
            yield packed
    yield packing.flush()


def _parquet(rows: Iterator[Row], schema: pa.Schema) -> Iterator[bytes]:
    written = _Taken()
    sink = pa.PythonFile(written, mode="w")
    with pq.ParquetWriter(sink, schema, compression="zstd") as writer:
        while group := list(itertools.islice(rows, ROWS_A_GROUP)):
            writer.write_table(pa.Table.from_pylist(group, schema=schema))
            if piece := written.take():
                yield piece
    yield written.take()


class _Taken(io.RawIOBase):
    """A file that forgets what has been taken from it."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        """pyarrow asks."""
        return True

    def write(self, data: "bytes | memoryview") -> int:  # type: ignore[override]  # what pyarrow hands over
        """Keep a copy until it is taken."""
        self._pieces.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        """Everything since the last time."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)
