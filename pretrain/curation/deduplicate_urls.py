"""`python -m pretrain.curation.deduplicate_urls run.json`: of each address the newest document stays.

First pass: a row for each document, in files of the index (64 bits each of two hashes of the address).
Then the rows are gathered a range of hashes at a time, `rows_at_once` in memory, and those that go are
marked. Last pass: documents out. Documents without an address all stay.
"""

import hashlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pretrain.curation.documents import Document, read_shard, shard_paths
from pretrain.curation.keepers import ROW, Preference, Rows, losers, row_of
from pretrain.curation.marks import Marks, all_shards, choice_of, kept_array, kept_file
from pretrain.curation.steps import Judge, Pass, StepConfig, run_step, shards_to_read, with_progress
from pretrain.curation.urls import canonical_url
from pretrain.run import RunFolder, program_main

FILTER = "duplicate_url"
PASSES: tuple[Pass, ...] = ("read", "choose", "write")


class DeduplicateUrlsConfig(StepConfig):
    """Result: as for `python -m pretrain.curation.sift`."""

    prefer: Preference = "newest"
    """Which document of an address stays; the other criterion decides between equal ones."""
    rows_at_once: int = Field(default=20_000_000, ge=1)
    """Rows of 56 bytes in memory."""


def run(config: DeduplicateUrlsConfig, folder: RunFolder) -> None:
    """Index, choose, write."""
    index = config.index or folder.path / "index"
    tables = [
        kept_array(index, shard, partial(url_rows, shard))
        for shard in with_progress(shards_to_read(config), folder, "shards read")
    ]
    if config.only == "read":
        return folder.finish({"num_shards": len(tables)})
    shards = shard_paths(config.documents)
    fingerprint = config.fingerprint() + all_shards(shards)
    choice = kept_file(
        index / f"choice-{hashlib.sha256(fingerprint.encode()).hexdigest()[:16]}.npy",
        lambda: choose(tables, config),
    )
    if config.only == "choose":
        return folder.finish({"num_gone": len(choice)})
    marks = Marks([shard.name for shard in shards])
    marks.mark(choice)

    def judge(shard: Path) -> Judge:
        return marks.judge(shard, FILTER, "an address seen elsewhere")

    return run_step(config, folder, judge, fingerprint)


def choose(tables: Sequence[Rows], config: DeduplicateUrlsConfig) -> NDArray[np.void]:
    """Rows of CHOICE, from the rows of each shard."""
    num_ranges = -(-sum(map(len, tables)) // config.rows_at_once) or 1
    found = []
    for part in range(num_ranges):
        own = [table[table["high"] % np.uint64(num_ranges) == part] for table in tables]
        for number, rows in enumerate(own):
            rows["shard"] = number
        found.append(losers(np.concatenate(own), config.prefer))
    return choice_of(found)


def url_rows(shard: Path) -> Rows:
    """A row for each document with an address; the shard's number is given where the rows are gathered."""
    rows = [
        row_of(document, address_hash(document), 0, place)
        for place, document in enumerate(read_shard(shard))
        if document.url
    ]
    return np.array(rows, dtype=ROW)


def address_hash(document: Document) -> bytes:
    """16 bytes of the address's one form."""
    address = canonical_url(document.url or "")
    return hashlib.blake2b(address.encode("utf-8", "surrogatepass"), digest_size=16).digest()


if __name__ == "__main__":
    program_main(DeduplicateUrlsConfig, run)
