"""Words and runs of words as 64-bit numbers that depend on the text alone. Pure.

All words of a text are hashed at once: each byte has a 64-bit number of its own, a word is their polynomial
modulo 2^64, taken as a difference of prefix sums (Karp & Rabin 1987), finished with SplitMix64's mixer. No
word becomes an object of its own, which is where time would go.

Suffixes of arrays: N bytes of a text, W words.
"""

import hashlib
import re

import numpy as np
from numpy.typing import NDArray

from pretrain.curation.words import split_words

Hashes = NDArray[np.uint64]
Places = NDArray[np.int64] | slice

BASE = np.uint64(0x9E3779B97F4A7C15)
"""Of the polynomials: odd, from the golden ratio."""
INVERSE_BASE = np.uint64(pow(int(BASE), -1, 1 << 64))
AT_ONCE = 1 << 16
"""Bytes; a longer text is hashed in parts."""
SIGNS = re.compile(r"[\u2000-\u206f\xa0-\xa9\xab-\xb1\xb4\xb6-\xb8\xbb\xbf\xd7\xf7]+")
"""Quotation marks, dashes, spaces and the like beyond ASCII."""
NOT_PLAIN = re.compile(r"[^\x00-\x7f\xc0-\xd6\xd8-\xf6\xf8-\u02af\u03ac-\u03ce\u0400-\u0481\u048a-\u052f]")
"""What is neither ASCII nor a Latin, Greek or Cyrillic letter in lower case: such a text `words` splits."""
UNDERSCORE = ord("_")


def word_hash(text: str) -> int:
    """64 bits of BLAKE2b."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big")


def word_codes(text: str) -> Hashes:
    """(W,): the words of a text as numbers, in lower case and in order; signs are passed over."""
    bytes_N = np.frombuffer(b" %b " % plain(text), dtype=np.uint8)
    is_word_N = IS_WORD[bytes_N]
    edges = np.flatnonzero(is_word_N[1:] != is_word_N[:-1]) + 1
    starts_W, ends_W = edges[::2], edges[1::2]
    parts = []
    for first, last in stretches(starts_W, ends_W):
        begin = starts_W[first]
        numbers = NUMBERS[bytes_N[begin : ends_W[last - 1]]]
        parts.append(mixed(polynomials(numbers, starts_W[first:last] - begin, ends_W[first:last] - begin)))
    codes_W = np.concatenate(parts) if parts else np.empty(0, dtype=np.uint64)
    # As `words` has it: an underscore is part of a word, and what begins with one is a sign.
    return codes_W[bytes_N[starts_W] != UNDERSCORE]


def plain(text: str) -> bytes:
    """The text in lower case as UTF-8 in which each word's bytes stand together, apart from all others'."""
    text = text.lower()
    if not text.isascii():
        text = SIGNS.sub(" ", text)
        if NOT_PLAIN.search(text):
            text = " ".join(word for word in split_words(text) if word[0].isalnum())
    return text.encode("utf-8", "surrogatepass")


def stretches(starts_W: NDArray[np.int64], ends_W: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Runs of words of about `AT_ONCE` bytes each, as first word and the one after the last."""
    found, first = [], 0
    while first < len(starts_W):
        last = max(first + 1, int(np.searchsorted(ends_W, starts_W[first] + AT_ONCE, side="right")))
        found.append((first, last))
        first = last
    return found


def runs(hashes: Hashes, size: int) -> Hashes:
    """Each run of `size` words as a number, in order; none for a size of 0."""
    count = len(hashes) - size + 1 if size else 0
    if count <= 0:
        return np.empty(0, dtype=np.uint64)
    return mixed(polynomials(hashes, slice(0, count), slice(size, None)))


def polynomials(numbers_N: Hashes, starts: Places, ends: Places) -> Hashes:
    """From each start to its end, the numbers times the powers of `BASE`."""
    count = len(numbers_N)
    powers, inverse_powers = (POWERS, INVERSE_POWERS) if count <= len(POWERS) else both_powers(count)
    sums = np.zeros(count + 1, dtype=np.uint64)
    np.cumsum(numbers_N * powers[:count], out=sums[1:])
    return (sums[ends] - sums[starts]) * inverse_powers[starts]


def mixed(numbers: Hashes) -> Hashes:
    """Every bit on every other: the finalizer of SplitMix64 (Steele et al. 2014)."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))


def both_powers(count: int) -> tuple[Hashes, Hashes]:
    """The first powers of `BASE` and of its inverse modulo 2^64."""
    factors = np.ones((2, count), dtype=np.uint64)
    factors[0, 1:], factors[1, 1:] = BASE, INVERSE_BASE
    powers, inverse_powers = np.multiply.accumulate(factors, axis=1)
    return powers, inverse_powers


POWERS, INVERSE_POWERS = both_powers(AT_ONCE)
NUMBERS = mixed(np.arange(1, 257, dtype=np.uint64) * BASE)
"""Of each byte."""
IS_WORD = np.array([byte >= 0x80 or chr(byte).isalnum() or byte == UNDERSCORE for byte in range(256)])
