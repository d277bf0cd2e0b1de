"""Which document of each group stays. Pure: the same whatever the order in which documents come.

Comes in: a row for each document with its group's 128-bit number, its date, its length and a hash of its
content. Goes out: the rows that go, each with the row that stays in its stead.
"""

import hashlib
import re
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pretrain.curation.documents import Document

ROW = np.dtype(
    [
        *(("high", "<u8"), ("low", "<u8"), ("date", "<i8"), ("length", "<i8")),
        *(("tie", "<u8"), ("shard", "<i8"), ("row", "<i8")),
    ]
)
Rows = NDArray[np.void]
Preference = Literal["newest", "longest"]
NOT_A_DIGIT = re.compile(r"\D")
DATE_DIGITS = 14
"""Year to second."""


def row_of(document: Document, group: bytes, shard: int, row: int) -> tuple[int, ...]:
    """A document's row of ROW; `group` is 16 bytes."""
    content = "\0".join([document.text, document.source, str(document.offset)])
    tie = hashlib.blake2b(content.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return (
        int.from_bytes(group[:8], "big"),
        int.from_bytes(group[8:], "big"),
        date_number(document.date),
        len(document.text),
        int.from_bytes(tie, "big"),
        shard,
        row,
    )


def date_number(date: str | None) -> int:
    """An ISO date as a number that rises with time; an unknown one is the oldest."""
    digits = NOT_A_DIGIT.sub("", (date or "").split("+")[0])[:DATE_DIGITS]
    return int(digits.ljust(DATE_DIGITS, "0"))


def losers(rows: Rows, prefer: Preference) -> tuple[Rows, Rows]:
    """(rows that go, the rows that stay in their stead), both of the same length."""
    if not len(rows):
        return rows, rows
    first, second = ("date", "length") if prefer == "newest" else ("length", "date")
    places = (rows["row"], rows["shard"])  # decide between copies of one and the same document alone
    order = np.lexsort((*places, rows["tie"], -rows[second], -rows[first], rows["low"], rows["high"]))
    rows = rows[order]
    is_first = np.ones(len(rows), dtype=bool)
    is_first[1:] = (rows["high"][1:] != rows["high"][:-1]) | (rows["low"][1:] != rows["low"][:-1])
    keepers = rows[np.flatnonzero(is_first)[np.cumsum(is_first) - 1]]
    return rows[~is_first], keepers[~is_first]
