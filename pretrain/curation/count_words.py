"""`python -m pretrain.curation.count_words run.json`: the corpus's words, the first pass of the KL filter.

Goes out: in `out`, for each language a file `CODE.npy` of word counts (see `divergence`). Whole numbers: the
same whatever the order of shards.
"""

from pathlib import Path

import numpy as np

from pretrain.curation.divergence import WordCounts
from pretrain.curation.documents import read_shard, shard_paths
from pretrain.curation.languages import undetermined
from pretrain.curation.steps import with_progress
from pretrain.curation.words import Segments
from pretrain.run import ProgramConfig, RunFolder, program_main


class CountWordsConfig(ProgramConfig):
    """Result: {"num_documents", "num_words": {language: words}}."""

    documents: Path
    """The folder of the shards."""
    out: Path
    """A folder of its own."""


def run(config: CountWordsConfig, folder: RunFolder) -> None:
    """Count all shards. Memory: 8 MB for each language."""
    counts: dict[str, WordCounts] = {}
    num_documents = 0
    for shard in with_progress(shard_paths(config.documents), folder, "shards"):
        for document in read_shard(shard):
            code = undetermined(document.language)
            counts.setdefault(code, WordCounts()).add(Segments(document.text))
            num_documents += 1
    config.out.mkdir(parents=True, exist_ok=True)
    for code, own in counts.items():
        aside = config.out / f".{code}.npy.writing"
        with aside.open("wb") as out:
            np.save(out, own.counts)
        aside.replace(config.out / f"{code}.npy")
    folder.finish(
        {
            "num_documents": num_documents,
            "num_words": {code: int(own.counts.sum()) for code, own in sorted(counts.items())},
        }
    )


if __name__ == "__main__":
    program_main(CountWordsConfig, run)
