"""What a step of several passes knows between them: arrays for each shard, and which of its documents go."""

import hashlib
import os
import secrets
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pretrain.curation.documents import Document, Verdict
from pretrain.curation.keepers import ROW, Rows
from pretrain.curation.steps import Judge, file_hash

MAPPED_BYTES = 1 << 20
"""Smaller arrays are read whole: a memory map keeps a file open."""
CHOICE = np.dtype([("gone", ROW), ("keeper", ROW)])
"""A document that goes, and the one that stays in its stead."""


def kept_array(
    folder: Path,
    shard: Path,
    make: Callable[[], NDArray[Any]],  # Any: arrays of different kinds
) -> NDArray[Any]:
    """What `make` gives for a shard, made once for its bytes and found again after a kill."""
    return kept_file(folder / f"{shard.name}.{file_hash(shard)[:16]}.npy", make)


def kept_file(path: Path, make: Callable[[], NDArray[Any]]) -> NDArray[Any]:  # Any: as above
    """What `make` gives, kept in a file that is whole or absent; several machines may make it at once."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.writing")
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


def choice_of(parts: Iterable[tuple[Rows, Rows]]) -> NDArray[np.void]:
    """Rows of CHOICE from (rows that go, rows that stay in their stead)."""
    found = [np.empty(0, dtype=CHOICE)]
    for gone, keepers in parts:
        choice = np.empty(len(gone), dtype=CHOICE)
        choice["gone"], choice["keeper"] = gone, keepers
        found.append(choice)
    return np.concatenate(found)


def all_shards(shards: Iterable[Path]) -> str:
    """Changes with any shard: what goes of one depends on all."""
    return hashlib.sha256("".join(map(file_hash, shards)).encode()).hexdigest()


class Marks:
    """The documents that go, each with the one that stays in its stead; some 24 bytes for each that goes."""

    def __init__(self, names: list[str]) -> None:
        """`names` are those of the shards, by number."""
        self._names = names
        self._gone: dict[str, dict[int, tuple[int, int]]] = {name: {} for name in names}

    def mark(self, choice: NDArray[np.void]) -> None:
        """Mark rows of CHOICE."""
        for row, keeper in zip(choice["gone"], choice["keeper"], strict=True):
            place = (int(keeper["shard"]), int(keeper["row"]))
            self._gone[self._names[int(row["shard"])]][int(row["row"])] = place

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
