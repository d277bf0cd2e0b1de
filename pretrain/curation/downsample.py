"""`python -m pretrain.curation.downsample run.json`: fewer documents of kinds that there are too many of.

First pass: the kind of each document, by a classifier, in files of the index. Then the rate at which each
kind stays is chosen from how much there is of all. Last pass: documents out. Which documents of a kind stay
is drawn from the seed, their source and offset: neither files, their order nor tasks change it.
"""

from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from pretrain.curation.documents import Document, Verdict, read_shard, shard_paths
from pretrain.curation.kinds import OTHER, KindModel, keep_rates, place_in_draw
from pretrain.curation.marks import all_shards, kept_array
from pretrain.curation.steps import (
    Judge,
    Pass,
    StepConfig,
    folder_hash,
    run_step,
    shards_to_read,
    with_progress,
)
from pretrain.failures import ProgramError
from pretrain.run import RunFolder, program_main

FILTER = "kind"
PASSES: tuple[Pass, ...] = ("read", "write")
SIZE = np.dtype([("kind", "U64"), ("documents", "<i8"), ("characters", "<i8")])


class DownsampleConfig(StepConfig):
    """Result: as for `python -m pretrain.curation.sift`, with "kinds": {kind: {"share", "rate"}}, its share
    of the characters before and the share of its documents that stays."""

    classifier: Path
    """What `python -m pretrain.curation.train_kinds` wrote."""
    max_shares: dict[str, float] = Field(min_length=1)
    """By kind, the greatest share of the characters that stay; other kinds stay whole."""
    min_probability: float = Field(default=0.5, ge=0, le=1)
    """A document whose kind is less sure is "other"."""
    seed: int = 0

    @field_validator("max_shares")
    @classmethod
    def _are_shares(cls, shares: dict[str, float]) -> dict[str, float]:
        for kind, share in shares.items():
            if not 0 < share < 1:
                raise ValueError(f"the greatest share of {kind} is {share:g}: give one between 0 and 1")
        return shares


def run(config: DownsampleConfig, folder: RunFolder) -> None:
    """Count, choose rates, write."""
    model = KindModel(config.classifier)
    unknown = config.max_shares.keys() - model.kinds - {OTHER}
    if unknown:
        known = ", ".join(sorted(model.kinds))
        raise ProgramError(f"The classifier knows no {sorted(unknown)[0]!r}: it knows {known}.")
    of_model = folder_hash([config.classifier])
    index = (config.index or folder.path) / f"kinds-{of_model[:16]}-{config.min_probability:g}"
    counts: Counter[str] = Counter()
    for shard in with_progress(shards_to_read(config), folder, "shards read"):
        for row in kept_array(index, shard, partial(sizes, shard, model, config.min_probability)):
            counts[str(row["kind"])] += int(row["characters"])
    if config.only == "read":
        return folder.finish({"num_characters": counts.total()})
    rates = keep_rates(counts, config.max_shares)

    def judge(_shard: Path) -> Judge:
        return lambda document: drawn(document, model, rates, config)

    fingerprint = config.fingerprint() + of_model + all_shards(shard_paths(config.documents))
    told = {
        kind: {"share": size / max(1, counts.total()), "rate": rates[kind]}
        for kind, size in sorted(counts.items())
    }
    return run_step(config, folder, judge, fingerprint, kinds=told)


def sizes(shard: Path, model: KindModel, least: float) -> NDArray[np.void]:
    """Rows of SIZE of a shard."""
    documents, characters = Counter[str](), Counter[str]()
    for document in read_shard(shard):
        kind, _ = kind_of(document, model, least)
        documents[kind] += 1
        characters[kind] += len(document.text)
    rows: list[Any] = [(kind, documents[kind], characters[kind]) for kind in sorted(documents)]
    return np.array(rows, dtype=SIZE)


def kind_of(document: Document, model: KindModel, least: float) -> tuple[str, float]:
    """The document's kind, OTHER where it is not sure, and its probability."""
    kind, probability = model.guess(document.text)
    return (kind if probability >= least else OTHER), probability


def drawn(
    document: Document, model: KindModel, rates: dict[str, float], config: DownsampleConfig
) -> Document:
    """The document with its verdict; the reason names the kind, also of those that stay."""
    kind, probability = kind_of(document, model, config.min_probability)
    rate = rates.get(kind, 1.0)
    is_kept = place_in_draw(document, config.seed) < rate
    reason = kind if is_kept else f"{kind}: of such documents {rate:.1%} stay"
    return document.with_verdicts({FILTER: Verdict(kept=is_kept, reason=reason, value=probability)})


if __name__ == "__main__":
    program_main(DownsampleConfig, run)
