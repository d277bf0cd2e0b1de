"""The audit log as a file, JSON lines or Parquet by its ending, that verifies without a database.

    python -m accounts.audit.exported FILE [--head POSITION:HASH]

Exits with 0 where the chain is whole and prints its head; with 1 and a sentence where it is not. Pure.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from accounts.audit.chain import ChainBroken, Entry, Link, head_parse, verify

ROW_GROUP = 10_000
SCHEMA = pa.schema(
    [
        ("position", pa.int64()),
        ("id", pa.int64()),
        ("actor", pa.int64()),
        ("action", pa.string()),
        ("subject_type", pa.string()),
        ("subject_id", pa.string()),
        ("at", pa.string()),
        ("data", pa.string()),
        ("salt", pa.string()),
        ("digest", pa.string()),
        ("hash", pa.string()),
    ]
)
"""Of Parquet; JSON lines have the same fields, and `data` as JSON."""

Row = dict[str, Any]  # Any: JSON


def links_write(path: Path, links: Iterable[Link]) -> int:
    """Write the chain, aside and renamed, so that the file is whole or not there; how many links."""
    aside = path.with_name(f".{path.name}.writing")
    try:
        rows = map(_row, links)
        num = _write_parquet(aside, rows) if path.suffix == ".parquet" else _write_lines(aside, rows)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    return num


def links_read(path: Path) -> Iterator[Link]:
    """The chain that the file holds. Raises ValueError where it is no such file."""
    number = 0
    try:
        for row in _rows(path):
            number += 1
            link = {name: row.pop(name) for name in ("position", "salt", "digest", "hash")}
            yield Link(**link, entry_id=row["id"], entry=Entry(**row))
    except (ValueError, TypeError, KeyError, pa.ArrowException) as error:
        raise ValueError(
            f"{path.name} is no audit log as `manage.py audit export` writes it: row {number}: {error}"
        ) from error


def _row(link: Link) -> Row:
    assert link.entry is not None, link
    return {
        "position": link.position,
        **asdict(link.entry),
        "salt": link.salt,
        "digest": link.digest,
        "hash": link.hash,
    }


def _rows(path: Path) -> Iterator[Row]:
    if path.suffix == ".parquet":
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(ROW_GROUP):
                for row in batch.to_pylist():
                    yield {**row, "data": json.loads(row["data"])}
        return
    with path.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def _write_lines(path: Path, rows: Iterable[Row]) -> int:
    num = 0
    with path.open("w", encoding="utf-8") as out:
        for row in rows:
            out.write(json.dumps(row) + "\n")
            num += 1
    return num


def _write_parquet(path: Path, rows: Iterator[Row]) -> int:
    num = 0
    with pq.ParquetWriter(path, SCHEMA) as out:
        while group := [{**row, "data": json.dumps(row["data"])} for row in islice(rows, ROW_GROUP)]:
            out.write_table(pa.Table.from_pylist(group, SCHEMA))
            num += len(group)
    return num


def main(arguments: list[str]) -> int:
    """Verify one file; the exit status."""
    parser = argparse.ArgumentParser(description="Verify an exported audit log.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--head", type=head_parse, help="a head that was kept: POSITION:HASH")
    options = parser.parse_args(arguments)
    try:
        verdict = verify(links_read(options.file), kept=options.head)
    except (ChainBroken, ValueError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(
        f"{verdict.head.position} entries, whole; {verdict.num_redacted} redacted. Head: {verdict.head}\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
