"""Lines that stand in many documents of a bucket: menus, cookie notices (Llama 3, section 3.1.1). Exact.

Lines are counted by 64 bits of BLAKE2b. Each shard's counts are one sorted array (`line_table`); `frequent`
merges any number of them a range of hashes at a time, so that memory is bounded by `lines_at_once`, whatever
the corpus. Two different lines share a hash once in some 10^19 pairs.
"""

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

TABLE = np.dtype([("hash", "<u8"), ("count", "<i8")])
LINES_AT_ONCE = 16_000_000
HASHES = 2**64


def line_hash(line: str) -> int:
    """64 bits of the line without the spaces around it."""
    content = line.strip().encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "big")


def text_line_hashes(text: str) -> list[int]:
    """The hashes of a text's lines; blank ones are no lines."""
    return [line_hash(line) for line in text.split("\n") if line.strip()]


def line_table(hashes: Iterable[int]) -> NDArray[np.void]:
    """The counts of a shard's lines, sorted by hash."""
    found, counts = np.unique(np.fromiter(hashes, dtype=np.uint64), return_counts=True)
    table = np.empty(len(found), dtype=TABLE)
    table["hash"], table["count"] = found, counts
    return table


def frequent(
    tables: Sequence[NDArray[np.void]], max_count: int, lines_at_once: int = LINES_AT_ONCE
) -> NDArray[np.uint64]:
    """The hashes, sorted, that stand more than `max_count` times in all tables.

    Tables have `hash`, sorted, and `count`; memory maps will do.
    """
    total = sum(map(len, tables))
    num_ranges = max(1, -(-total // lines_at_once))
    bounds = [HASHES * part // num_ranges for part in range(1, num_ranges)]
    found: list[NDArray[np.uint64]] = []
    starts = [0] * len(tables)
    for part in range(num_ranges):
        ends = [
            int(np.searchsorted(table["hash"], np.uint64(bounds[part]))) if part < len(bounds) else len(table)
            for table in tables
        ]
        pieces = [table[start:end] for table, start, end in zip(tables, starts, ends, strict=True)]
        starts = ends
        found.append(
            over([piece["hash"] for piece in pieces], [piece["count"] for piece in pieces], max_count)
        )
    return np.concatenate(found)


def over(
    hashes: list[NDArray[np.uint64]], counts: list[NDArray[np.int64]], max_count: int
) -> NDArray[np.uint64]:
    """The hashes, sorted, whose counts add up to more than `max_count`."""
    if not sum(map(len, hashes)):
        return np.empty(0, dtype=np.uint64)
    found, inverse = np.unique(np.concatenate(hashes), return_inverse=True)
    sums = np.zeros(len(found), dtype=np.int64)
    np.add.at(sums, inverse, np.concatenate(counts))
    return found[sums > max_count]


def without_lines(text: str, hashes: frozenset[int]) -> tuple[str, int]:
    """The text without the lines of these hashes, and how many lines went."""
    lines = text.split("\n")
    left = [line for line in lines if not line.strip() or line_hash(line) not in hashes]
    return "\n".join(left).strip("\n"), len(lines) - len(left)
