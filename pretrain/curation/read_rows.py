"""Records of JSON lines, Parquet, plain text and single HTML files.

Lines are read with a bound, so that a file without line ends does not fill the memory.
"""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import pyarrow as arrow
import pyarrow.parquet as parquet

from pretrain.curation.raw_records import NoPage, Raw, RawPage, Unreadable

BATCH_ROWS = 256
FIELDS = ("text", "html", "url", "date", "language")
"""Of a row; one of the first two must be there."""


def read_html_file(path: Path, max_bytes: int) -> Iterator[Raw]:
    """The page."""
    if path.stat().st_size > max_bytes:
        yield NoPage(offset=0, reason=f"longer than {max_bytes} bytes")
    else:
        yield RawPage(offset=0, body=path.read_bytes())


def read_text_file(path: Path, max_bytes: int) -> Iterator[Raw]:
    """The file as one document; gzip by its ending."""
    try:
        with opened(path) as file:
            content = file.read(max_bytes + 1)
    except (OSError, EOFError) as error:
        yield Unreadable(offset=0, reason=f"damaged: {error}")
        return
    if len(content) > max_bytes:
        yield NoPage(offset=0, reason=f"longer than {max_bytes} bytes")
    else:
        yield RawPage(offset=0, text=content.decode("utf-8", errors="replace"))


def read_json_lines(path: Path, max_bytes: int) -> Iterator[Raw]:
    """A record a line. Offsets are bytes, of a compressed file after decompression."""
    offset = 0
    try:
        with opened(path) as file:
            while line := file.readline(max_bytes + 1):
                length = len(line)
                if length > max_bytes and not line.endswith(b"\n"):
                    while (rest := file.readline(max_bytes)) and not rest.endswith(b"\n"):
                        length += len(rest)
                    length += len(rest)
                    yield Unreadable(offset=offset, reason=f"a line longer than {max_bytes} bytes")
                elif line.strip():
                    yield read_line(line, offset)
                offset += length
    except (OSError, EOFError) as error:
        yield Unreadable(offset=offset, reason=f"damaged: {error}")


def read_line(line: bytes, offset: int) -> Raw:
    """One line of JSON."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return Unreadable(offset=offset, reason="not JSON in UTF-8")
    return read_row(row, offset)


def read_row(row: Any, offset: int) -> Raw:  # Any: JSON
    """One row with `text` or `html`."""
    if not isinstance(row, dict):
        return Unreadable(offset=offset, reason="not an object")
    told = {name: value if isinstance(value := row.get(name), str) else None for name in FIELDS}
    text, html = told.pop("text"), told.pop("html")
    if text is None and html is None:
        return Unreadable(offset=offset, reason="neither text nor html in it")
    body = html.encode("utf-8", errors="replace") if text is None and html is not None else None
    charset = "utf-8" if body is not None else None
    if text is not None:
        text = text.encode("utf-8", errors="replace").decode()  # a lone surrogate cannot be written
    return RawPage(offset=offset, text=text, body=body, charset=charset, **told)


def read_parquet(path: Path, max_bytes: int) -> Iterator[Raw]:
    """A record a row; offsets are numbers of rows."""
    number = 0
    try:
        with parquet.ParquetFile(path) as table:
            names = [name for name in FIELDS if name in table.schema_arrow.names]
            for batch in table.iter_batches(batch_size=BATCH_ROWS, columns=names):
                for row in batch.to_pylist():
                    raw = read_row({k: str(v) if k == "date" and v else v for k, v in row.items()}, number)
                    too_long = isinstance(raw, RawPage) and len(raw.text or raw.body or "") > max_bytes
                    reason = f"longer than {max_bytes} bytes"
                    yield NoPage(offset=number, reason=reason) if too_long else raw
                    number += 1
    except (OSError, arrow.ArrowException) as error:
        yield Unreadable(offset=number, reason=f"damaged: {str(error).splitlines()[0]}")


def opened(path: Path) -> BinaryIO:
    """The file's content, decompressed where its name ends in .gz."""
    return cast(BinaryIO, gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb"))
