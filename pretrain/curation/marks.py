"""What deduplication knows between its passes: arrays for each shard, and which of its documents go."""

import hashlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pretrain.curation.documents import Document, Verdict
from pretrain.curation.keepers import Rows
from pretrain.curation.steps import Judge, file_hash

MAPPED_BYTES = 1 << 20
"""Smaller arrays are read whole: a memory map keeps a file open."""


def kept_array(
    folder: Path,
    shard: Path,
    make: Callable[[], NDArray[Any]],  # Any: arrays of different kinds
) -> NDArray[Any]:
    """What `make` gives for a shard, made once for its bytes and found again after a kill."""
    path = folder / f"{shard.name}.{file_hash(shard)[:16]}.npy"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}.{os.getpid()}.writing")
        try:
            with aside.open("wb") as out:
                np.save(out, make(), allow_pickle=False)
                out.flush()
                os.fsync(out.fileno())
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)
    array: NDArray[Any] = (  # Any: as above
        np.load(path, allow_pickle=False)
        if path.stat().st_size < MAPPED_BYTES
        else np.load(path, mmap_mode="c", allow_pickle=False)  # what is changed stays in memory
    )
    return array


class Marks:
    """The documents that go, each with the one that stays in its stead; some 24 bytes for each that goes."""

    def __init__(self, names: list[str]) -> None:
        """`names` are those of the shards, by number."""
        self._names = names
        self._gone: dict[str, dict[int, tuple[int, int]]] = {name: {} for name in names}

    def mark(self, gone: Rows, keepers: Rows) -> None:
        """Mark rows of ROW."""
        for row, keeper in zip(gone, keepers, strict=True):
            place = (int(keeper["shard"]), int(keeper["row"]))
            self._gone[self._names[int(row["shard"])]][int(row["row"])] = place

    def fingerprint(self, hashes: Iterable[str]) -> str:
        """Changes with any shard: what goes of one depends on all."""
        return hashlib.sha256("".join(hashes).encode()).hexdigest()

    def judge(self, shard: Path, filter_name: str, reason: str) -> Judge:
        """Give the documents of a shard, one after the other, their verdicts."""
        gone = self._gone[shard.name]
        place = -1

        def next_document(document: Document) -> Document:
            nonlocal place
            place += 1
            verdict = Verdict(kept=True)
            if place in gone:
                number, row = gone[place]
                told = f"{reason}: document {row + 1} of {self._names[number]} stays"
                verdict = Verdict(kept=False, reason=told)
            return document.with_verdicts({filter_name: verdict})

        return next_document
