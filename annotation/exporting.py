"""Writing preference records for others: Accord's form or TRL's, as JSONL (also gzip) or Parquet. Pure."""

import gzip
import itertools
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

import pyarrow as pa
import pyarrow.parquet as pq

from annotation.records import PreferenceRecord

FORMATS = ("accord", "trl")
ENDINGS = (".jsonl", ".jsonl.gz", ".parquet")
ROWS_A_GROUP = 5000

TEXT = pa.string()
MESSAGES = pa.list_(pa.struct([("role", TEXT), ("content", TEXT)]))
RESPONSES = pa.list_(pa.struct([("content", TEXT), ("model", TEXT), ("origin", TEXT)]))
SCHEMAS = {
    "accord": pa.schema(
        [
            ("id", TEXT),
            ("domain", TEXT),
            ("language", TEXT),
            ("round", pa.int64()),
            ("context", MESSAGES),
            ("responses", RESPONSES),
            ("strength", TEXT),
            ("annotator", TEXT),
            ("created", TEXT),
        ]
    ),
    "trl": pa.schema(
        [
            ("id", TEXT),
            ("domain", TEXT),
            ("language", TEXT),
            ("strength", TEXT),
            ("prompt", MESSAGES),
            ("chosen", MESSAGES),
            ("rejected", MESSAGES),
        ]
    ),
}

Row = dict[str, Any]  # Any: JSON


def write_preferences(path: Path, records: Iterable[PreferenceRecord], format_: str) -> int:
    """Write the records to `path`, whose ending decides between JSONL and Parquet; returns the rows written.

    Written aside and renamed: `path` is whole or as it was. Raises ValueError for an unknown ending.
    """
    if not path.name.endswith(ENDINGS):
        raise ValueError(f"{path.name} must end in one of {', '.join(ENDINGS)}.")
    rows = (row for record in records for row in rows_of(record, format_))
    aside = path.with_name(f".{path.name}.writing")
    try:
        if path.name.endswith(".parquet"):
            count = _write_parquet(aside, rows, SCHEMAS[format_])
        elif path.name.endswith(".gz"):
            with gzip.open(aside, "wt", encoding="utf-8") as out:
                count = _write_lines(out, rows)
        else:
            with aside.open("w", encoding="utf-8") as out:
                count = _write_lines(out, rows)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    return count


def rows_of(record: PreferenceRecord, format_: str) -> list[Row]:
    """One record's rows: itself, or for TRL one a pair of a better and a worse response."""
    if format_ == "accord":
        return [record.model_dump(mode="json")]
    pairs = list(itertools.combinations(record.responses, 2))
    return [
        {
            "id": record.id if len(pairs) == 1 else f"{record.id}/{number}",
            "domain": record.domain,
            "language": record.language,
            "strength": record.strength.value,
            "prompt": [message.model_dump() for message in record.context],
            "chosen": [{"role": "assistant", "content": better.content}],
            "rejected": [{"role": "assistant", "content": worse.content}],
        }
        for number, (better, worse) in enumerate(pairs)
    ]


def _write_lines(out: TextIO, rows: Iterable[Row]) -> int:
    count = 0
    for row in rows:
        out.write(json.dumps(row, ensure_ascii=False) + "\n")
        count += 1
    return count


def _write_parquet(path: Path, rows: Iterator[Row], schema: pa.Schema) -> int:
    count = 0
    with pq.ParquetWriter(path, schema) as writer:
        while group := list(itertools.islice(rows, ROWS_A_GROUP)):
            writer.write_table(pa.Table.from_pylist(group, schema=schema))
            count += len(group)
    return count
