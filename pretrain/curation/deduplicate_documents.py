"""`python -m pretrain.curation.deduplicate_documents run.json`: of near-duplicates one stays, by language.

First pass: MinHash signatures and rows of every document, in files of the index. Then the signatures of
each language are put into groups (`clusters`), and of each group the document that stays is chosen. Last
pass: documents out.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from pydantic import Field

from pretrain.curation.clusters import DOCUMENTS_AT_ONCE, group
from pretrain.curation.documents import read_shard, shard_paths
from pretrain.curation.keepers import ROW, Preference, losers, row_of
from pretrain.curation.languages import undetermined
from pretrain.curation.marks import Marks, all_shards, choice_of, kept_array, kept_file
from pretrain.curation.minhash import MinHashRecipe, Signer
from pretrain.curation.steps import Judge, Pass, StepConfig, run_step, shards_to_read, with_progress
from pretrain.curation.word_hashes import word_hash
from pretrain.curation.words import Segments
from pretrain.run import RunFolder, program_main

FILTER = "near_duplicate"
PASSES: tuple[Pass, ...] = ("read", "choose", "write")
Table = NDArray[np.void]


class DeduplicateDocumentsConfig(StepConfig):
    """Result: as for `python -m pretrain.curation.sift`."""

    recipe: MinHashRecipe = MinHashRecipe()
    prefer: Preference = "longest"
    """Which document of a group stays; the other criterion decides between equal ones."""
    documents_at_once: int = Field(default=DOCUMENTS_AT_ONCE, ge=1)
    """Keys of documents in memory, 16 bytes each."""


def run(config: DeduplicateDocumentsConfig, folder: RunFolder) -> None:
    """Sign, group, choose, write."""
    signer = Signer(config.recipe)
    index = (config.index or folder.path) / f"index-{signer.recipe.fingerprint()}"
    tables = [
        kept_array(index, shard, partial(signed, shard, signer))
        for shard in with_progress(shards_to_read(config), folder, "shards read")
    ]
    if config.only == "read":
        return folder.finish({"num_shards": len(tables)})
    shards = shard_paths(config.documents)
    fingerprint = config.fingerprint() + all_shards(shards)
    choice = kept_file(
        index / f"choice-{hashlib.sha256(fingerprint.encode()).hexdigest()[:16]}.npy",
        lambda: choose(tables, signer, config, folder),
    )
    if config.only == "choose":
        return folder.finish({"num_gone": len(choice)})
    marks = Marks([shard.name for shard in shards])
    marks.mark(choice)

    def judge(shard: Path) -> Judge:
        return marks.judge(shard, FILTER, "like another document")

    return run_step(config, folder, judge, fingerprint)


def choose(
    tables: Sequence[Table], signer: Signer, config: DeduplicateDocumentsConfig, folder: RunFolder
) -> Table:
    """Rows of CHOICE, from the signatures of all shards."""
    found = []
    for language in sorted({int(code) for table in tables for code in np.unique(table["language"])}):
        with language_rows(tables, language, folder.path) as (signatures_NH, rows):

            def tell(done: int) -> None:
                folder.progress(done, config.recipe.bands, "bands of hashes")

            groups = group(signatures_NH, signer, documents_at_once=config.documents_at_once, on_band=tell)
            rows["high"], rows["low"] = groups.astype(np.uint64), 0
            found.append(losers(rows, config.prefer))
    return choice_of(found)


def signed(shard: Path, signer: Signer) -> Table:
    """A row of ROW, the language and the signature of each document that has words."""
    num_hashes = signer.recipe.bands * signer.recipe.rows
    kind = np.dtype([("row", ROW), ("language", "<u8"), ("signature", "<u4", (num_hashes,))])
    found: list[tuple[tuple[int, ...], int, NDArray[np.uint32]]] = []
    for place, document in enumerate(read_shard(shard)):
        signature = signer.signature(Segments(document.text))
        if signature is not None:
            row = row_of(document, bytes(16), 0, place)
            found.append((row, word_hash(undetermined(document.language)), signature))
    table = np.empty(len(found), dtype=kind)
    for place, values in enumerate(found):
        table[place] = values
    return table


@contextmanager
def language_rows(
    tables: Sequence[Table], language: int, folder: Path
) -> Iterator[tuple[NDArray[np.uint32], NDArray[np.void]]]:
    """The signatures, as a file mapped into memory, and the rows of one language's documents."""
    own = [np.flatnonzero(table["language"] == np.uint64(language)) for table in tables]
    num = sum(map(len, own))
    path = folder / f".signatures-{language:016x}.npy.writing"
    signatures: Any = open_memmap(  # type: ignore[no-untyped-call]  # Any: numpy leaves it untyped
        path, mode="w+", dtype=np.uint32, shape=(num, tables[0].dtype["signature"].shape[0])
    )
    rows = np.empty(num, dtype=ROW)
    try:
        start = 0
        for number, (table, places) in enumerate(zip(tables, own, strict=True)):
            end = start + len(places)
            signatures[start:end] = table["signature"][places]
            rows[start:end] = table["row"][places]
            rows["shard"][start:end] = number
            start = end
        yield signatures, rows
    finally:
        path.unlink(missing_ok=True)


if __name__ == "__main__":
    program_main(DeduplicateDocumentsConfig, run)
