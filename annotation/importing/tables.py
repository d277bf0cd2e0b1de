"""Rows of Parquet and Arrow files, a few at a time; broken ones are refused one by one.

Lists of structs and structs of lists (two ways in which libraries store messages) are both read as lists
of objects, times as ISO text; a null inside an object counts as absent.
"""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from annotation.importing.refusal import Reason, Refusal, RowRefused
from annotation.importing.rows import MAX_ROW_BYTES, Ration, Row

PARQUET_MAGIC = b"PAR1"
ARROW_FILE_MAGIC = b"ARROW1"
ARROW_STREAM_MAGIC = b"\xff\xff\xff\xff"

BATCH_ROWS = 64
"""Few: a packed column may repeat one very long value."""
BUFFER_BYTES = 1 << 20
LISTS = ("context", "prompt", "chosen", "rejected", "responses", "messages")
"""Fields that hold lists of objects."""
BROKEN = (pa.ArrowException, OSError, MemoryError, OverflowError)
Fields = dict[str, Any]  # Any: JSON of someone else


def is_table(head: bytes) -> bool:
    """Whether a file that begins like this is Parquet or Arrow."""
    return head.startswith((PARQUET_MAGIC, ARROW_FILE_MAGIC, ARROW_STREAM_MAGIC))


def read_table(path: Path, ration: Ration, *, within: str = "") -> Iterator[Row | Refusal]:
    """The rows of a Parquet or Arrow file in order, and a refusal for each that cannot be read.

    `within` names the file in a folder. Raises OSError where it cannot be opened.
    """
    where = f"{within}, row" if within else "row"
    with path.open("rb") as file:
        head = file.read(8)
    number = 0
    batches = _parquet_batches(path) if head.startswith(PARQUET_MAGIC) else _arrow_batches(path, head)
    while True:
        try:
            batch = next(batches, None)
            if batch is None:
                return
            ration.take(batch.nbytes, batch.num_rows)
        except BROKEN as error:
            yield Refusal(line=number, reason=Reason.CUT_OFF, detail=_first_line(error), where=where)
            return
        except RowRefused as refused:
            yield Refusal(line=number, reason=refused.reason, detail=refused.detail, where=where)
            return
        for row in _batch_rows(batch):
            number += 1
            if isinstance(row, RowRefused):
                yield Refusal(line=number, reason=row.reason, detail=row.detail, where=where)
            else:
                yield Row(line=number, fields=row, where=where)


def _parquet_batches(path: Path) -> Iterator[pa.RecordBatch]:
    # Without pre_buffer and with a buffer, column chunks are read page by page: memory does not grow.
    with pq.ParquetFile(path, pre_buffer=False, buffer_size=BUFFER_BYTES) as file:
        yield from file.iter_batches(batch_size=BATCH_ROWS)


def _arrow_batches(path: Path, head: bytes) -> Iterator[pa.RecordBatch]:
    with pa.memory_map(str(path)) as source:
        if head.startswith(ARROW_FILE_MAGIC):
            file = pa.ipc.open_file(source)
            batches = (file.get_batch(number) for number in range(file.num_record_batches))
        else:
            batches = iter(pa.ipc.open_stream(source))
        for batch in batches:
            batch.validate()  # Offsets of a damaged file may lead anywhere.
            for start in range(0, batch.num_rows, BATCH_ROWS):
                yield batch.slice(start, BATCH_ROWS)


def _batch_rows(batch: pa.RecordBatch) -> Iterator[Fields | RowRefused]:
    """All rows of a batch, at once where nothing is wrong with any of them."""
    if batch.nbytes <= MAX_ROW_BYTES:
        try:
            rows = batch.to_pylist()
        except (ValueError, OverflowError, pa.ArrowException):
            pass  # One of them cannot be read: they are looked at one by one.
        else:
            yield from (_fields(row) for row in rows)
            return
    for place in range(batch.num_rows):
        yield _one_row(batch.slice(place, 1))


def _one_row(row: pa.RecordBatch) -> Fields | RowRefused:
    if row.nbytes > MAX_ROW_BYTES:
        return RowRefused(Reason.TOO_LONG, f"over {MAX_ROW_BYTES} bytes")
    try:
        [fields] = row.to_pylist()
    except UnicodeDecodeError as error:
        return RowRefused(Reason.NOT_UTF8, f"byte {error.start + 1} of a text")
    except (ValueError, OverflowError, pa.ArrowException) as error:
        return RowRefused(Reason.WRONG_TYPE, _first_line(error))
    return _fields(fields)


def _fields(row: Fields) -> Fields:
    return {name: _value(value, name) for name, value in row.items() if value is not None}


def _value(value: object, name: str = "") -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, list):
        return [_value(item) for item in value]
    if not isinstance(value, dict):
        return value
    if name in LISTS and value and all(isinstance(column, list) for column in value.values()):
        columns = [[(key, item) for item in column] for key, column in value.items()]
        return [_value(dict(pairs)) for pairs in zip(*columns, strict=False)]
    return {key: _value(item) for key, item in value.items() if item is not None}


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
