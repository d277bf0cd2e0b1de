"""How far a document's words are from the corpus's: finds pages of outlier tokens (Llama 3, section 3.1.1).

Two passes: `WordCounts` of all shards are added up, then each document is scored against the sum by the
Kullback-Leibler divergence of its word distribution from the corpus's, in nats. Words are counted in
NUM_PLACES places by their CRC, so that memory is bounded and sums are whole numbers: the same whatever the
order. Unseen words have a count of one.
"""

import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pretrain.curation.words import Segments
from pretrain.run import ProgramError

NUM_PLACES = 1 << 20


class WordCounts:
    """How often the words of a corpus stand in it."""

    def __init__(self, counts: NDArray[np.int64] | None = None) -> None:
        self.counts = np.zeros(NUM_PLACES, dtype=np.int64) if counts is None else counts
        self._log: NDArray[np.float64] | None = None

    @classmethod
    def read(cls, path: Path) -> "WordCounts":
        """What `write` wrote. Raises ProgramError where it is no such file."""
        try:
            counts = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise ProgramError(f"{path} holds no word counts: count the corpus's words again.") from error
        if counts.shape != (NUM_PLACES,) or counts.dtype != np.int64:
            raise ProgramError(f"{path} holds no word counts: count the corpus's words again.")
        return cls(counts)

    def add(self, segments: Segments) -> None:
        """Count a document's words."""
        self._log = None
        np.add.at(self.counts, word_places(segments), segments.counts_V)

    def divergence(self, segments: Segments) -> float:
        """KL(document ‖ corpus) in nats; 0 for a document without words.

        A short text is far from any corpus, because most words are missing from it: of n words at least
        about log(corpus's effective vocabulary / n). A limit is set for documents of a length's kind.
        """
        if not len(segments.counts_V):
            return 0.0
        if self._log is None:
            self._log = np.log(self.counts + 1.0) - np.log(float(self.counts.sum() + NUM_PLACES))
        share = segments.counts_V / segments.counts_V.sum()
        return float((share * (np.log(share) - self._log[word_places(segments)])).sum())


def word_places(segments: Segments) -> NDArray[np.int64]:
    """(V,): where each distinct word is counted."""
    places = (zlib.crc32(word.encode("utf-8", "surrogatepass")) for word in segments.vocabulary)
    return np.fromiter(places, dtype=np.int64, count=len(segments.vocabulary)) & (NUM_PLACES - 1)
