"""Words and runs of words as 64-bit numbers that depend on the text alone. Pure.

Words are hashed with BLAKE2b, runs as polynomials modulo 2^64, finished with SplitMix64's mixer.
"""

import hashlib

import numpy as np
from numpy.typing import NDArray

from pretrain.curation.words import Segments, split_piece

Hashes = NDArray[np.uint64]

BASE = np.uint64(0x9E3779B97F4A7C15)
"""Of the polynomials: odd, from the golden ratio."""
MAX_KNOWN = 1_000_000
"""Pieces of text whose hashes are kept; then begun anew, so that memory is bounded."""


class WordHasher:
    """Hashes words and remembers them, for most stand in many documents."""

    def __init__(self) -> None:
        self._hashes_of: dict[str, bytes] = {}  # 8 for each word: joined faster than numbers are

    def hashes(self, segments: Segments) -> Hashes:
        """Those of the words in lower case, in order; signs are passed over."""
        known = self._hashes_of
        if len(known) > MAX_KNOWN:
            known.clear()
        pieces = segments.text.lower().split()
        for piece in set(pieces).difference(known):
            if piece.isascii() and piece.isalnum():
                known[piece] = _digest(piece)
            else:
                known[piece] = b"".join(_digest(word) for word in split_piece(piece) if word[0].isalnum())
        joined = b"".join(map(known.__getitem__, pieces))
        return np.frombuffer(joined, dtype=">u8").astype(np.uint64)


def word_hash(word: str) -> int:
    """64 bits of BLAKE2b."""
    return int.from_bytes(_digest(word), "big")


def _digest(word: str) -> bytes:
    return hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest()


def runs(hashes: Hashes, size: int) -> Hashes:
    """Each run of `size` words as a number, in order; none for a size of 0."""
    count = len(hashes) - size + 1 if size else 0
    codes = np.zeros(count, dtype=np.uint64)
    for place in range(size):
        codes *= BASE
        codes += hashes[place : place + count]
    return mixed(codes)


def mixed(numbers: Hashes) -> Hashes:
    """Every bit on every other: the finalizer of SplitMix64 (Steele et al. 2014)."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))
