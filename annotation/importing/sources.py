"""Rows of whatever is given: JSON lines (gzip or not), Parquet, Arrow, or a folder of them."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from annotation.importing.folders import dataset_files
from annotation.importing.limits import Limits
from annotation.importing.lines import read_lines
from annotation.importing.refusal import Refusal
from annotation.importing.rows import Ration, Row
from annotation.importing.tables import is_table, read_table

LIMITS = Limits()


def read_rows(path: Path, *, limits: Limits = LIMITS, splits: Sequence[str] = ()) -> Iterator[Row | Refusal]:
    """The rows of a file or a `datasets` folder in order, and a refusal for each that is none.

    `splits` chooses among those of a folder; without it, all are read. Memory does not grow with the data.
    Raises OSError where something cannot be opened.
    """
    ration = Ration(limits)
    if not path.is_dir():
        yield from _file_rows(path, ration)
        return
    for file in dataset_files(path, splits):
        if isinstance(file, Refusal):
            yield file
        else:
            yield from _file_rows(file, ration, within=file.relative_to(path).as_posix())


def _file_rows(path: Path, ration: Ration, *, within: str = "") -> Iterator[Row | Refusal]:
    with path.open("rb") as file:
        head = file.read(8)
    if is_table(head):
        return read_table(path, ration, within=within)
    return read_lines(path, ration, within=within)
