"""MinHash signatures of documents: how alike two documents' sets of word n-grams are, from short arrays.

Comes in: a document's words. Goes out: a signature of bands × rows numbers; the share of equal numbers in two
signatures estimates the Jaccard similarity of the two sets (Broder, On the resemblance and containment of
documents, 1997). Pure numpy: words and n-grams are polynomials modulo 2^64, permutations
are multiply-add-shift (Dietzfelbinger et al., A reliable randomized algorithm for the closest-pair problem,
1997). A signature depends on the text and the recipe alone, on no library's version.

Suffixes of arrays: S shingles of a document, H hashes of a signature, B bands, N documents.
"""

import hashlib
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from pretrain.curation.word_hashes import BASE, mixed, runs, word_codes
from pretrain.curation.words import Segments

HASHES = "polynomials of bytes"
"""What words are hashed with: signatures by other hashes cannot be compared."""
SHINGLES_AT_ONCE = 1024
"""Their hashes stay in the processor's cache, and few calls are made."""


class MinHashRecipe(BaseModel):
    """What counts as the same document. The defaults are FineWeb's (Penedo et al. 2024, appendix E.1)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ngram_words: int = Field(default=5, ge=1, le=50)
    """Words of one shingle."""
    bands: int = Field(default=14, ge=1, le=1024)
    """Groups of hashes. Documents that agree on all hashes of one are compared."""
    rows: int = Field(default=8, ge=1, le=1024)
    """Hashes of a band. Similarity s is seen with probability 1 - (1 - s^rows)^bands."""
    min_similarity: float = Field(default=0.7, gt=0, le=1)
    """Estimated Jaccard similarity from which two compared documents are the same; the bands alone take in
    documents that are less alike."""
    seed: int = 1
    """Of the permutations."""

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.bands * self.rows > 4096:
            raise ValueError("bands × rows is over 4096 hashes: lower one of them.")
        return self

    def fingerprint(self) -> str:
        """Changes with the signatures."""
        told = f"{HASHES} {self.ngram_words} {self.bands} {self.rows} {self.seed}"
        return hashlib.sha256(told.encode()).hexdigest()[:16]


class Signer:
    """Signs documents by one recipe."""

    def __init__(self, recipe: MinHashRecipe) -> None:
        self.recipe = recipe

    @cached_property
    def _permutations(self) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
        """Odd factors and addends, (H, 1)."""
        num_hashes = self.recipe.bands * self.recipe.rows
        draw = np.random.Generator(np.random.PCG64(self.recipe.seed))
        numbers = draw.integers(0, 2**32, size=(2, num_hashes, 1), dtype=np.uint32)
        return numbers[0] | np.uint32(1), numbers[1]

    def shingles(self, segments: Segments) -> NDArray[np.uint64]:
        """The distinct word n-grams as 64-bit numbers; a text of fewer words is one, an empty one none."""
        return np.unique(self._runs(segments))

    def _runs(self, segments: Segments) -> NDArray[np.uint64]:
        hashes = word_codes(segments.text)
        return runs(hashes, min(self.recipe.ngram_words, len(hashes)))

    def signature(self, segments: Segments) -> NDArray[np.uint32] | None:
        """(H,), or None for a document without words, which equals nothing."""
        shingles_S = self._runs(segments)  # a second one of a kind changes no minimum
        if not len(shingles_S):
            return None
        codes = (shingles_S >> np.uint64(32)).astype(np.uint32)
        factors, addends = self._permutations
        lowest = np.full(len(factors), np.iinfo(np.uint32).max, dtype=np.uint32)
        for start in range(0, len(codes), SHINGLES_AT_ONCE):
            hashed = codes[start : start + SHINGLES_AT_ONCE] * factors
            hashed += addends
            np.minimum(lowest, hashed.min(axis=1), out=lowest)
        return lowest

    def band_keys(self, signatures_NH: NDArray[np.uint32], band: int) -> NDArray[np.uint64]:
        """(N,): one number for the hashes of one band."""
        rows = self.recipe.rows
        keys = np.full(len(signatures_NH), band, dtype=np.uint64)
        for place in range(band * rows, (band + 1) * rows):
            keys = mixed(keys * BASE + signatures_NH[:, place])
        return keys


def similarity(one: NDArray[np.uint32], other: NDArray[np.uint32]) -> float:
    """The estimated Jaccard similarity of two signatures."""
    return float(np.mean(one == other))
