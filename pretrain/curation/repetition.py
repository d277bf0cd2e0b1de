"""How much of a document repeats itself: lines, paragraphs, word n-grams. Pure.

The measures of MassiveText (Rae et al., Scaling Language Models: Methods, Analysis & Insights from Training
Gopher, 2021, table A1). As in datatrove, whose users know the limits: a part repeats where it stands for the
second or a later time, overlapping n-grams count their characters once, and shares are of the whole text.
The n-grams are numbered exactly, not hashed. In a script without spaces a word is one character, and an
n-gram takes two of them for each word.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from pretrain.curation.words import Segments

TOP_SIZES = (2, 3, 4)
"""Words of the n-grams of which the most frequent one is measured."""
DUPLICATED_SIZES = (5, 6, 7, 8, 9, 10)
"""Words of the n-grams whose repeats are measured."""
CHARACTERS_PER_WORD = 2
"""Of scripts without spaces."""


def repetition(segments: Segments) -> dict[str, float]:
    """Each measure by its name, all from 0 to 1 (a text of one repeated sign can pass 1)."""
    lines, line_characters = repeated_share(segments.lines, len(segments.text))
    paragraphs, paragraph_characters = repeated_share(segments.paragraphs, len(segments.text))
    return {
        "duplicate_lines": lines,
        "duplicate_line_characters": line_characters,
        "duplicate_paragraphs": paragraphs,
        "duplicate_paragraph_characters": paragraph_characters,
        **ngram_shares(segments),
    }


def repeated_share(parts: Sequence[str], num_characters: int) -> tuple[float, float]:
    """The share of parts that stood there before, and the share of their characters in the text."""
    if len(set(parts)) == len(parts):
        return 0.0, 0.0
    repeats = list(repeated(parts))
    return len(repeats) / len(parts), sum(map(len, repeats)) / max(1, num_characters)


def repeated(parts: Iterable[str]) -> Iterable[str]:
    """The parts that stood there before."""
    seen: set[str] = set()
    for part in parts:
        if part in seen:
            yield part
        seen.add(part)


def ngram_shares(segments: Segments) -> dict[str, float]:
    """`top_2_gram`… and `duplicated_5_grams`…: shares of the text's characters."""
    factor = CHARACTERS_PER_WORD if segments.is_unspaced else 1
    shares = {
        **{f"top_{n}_gram": 0.0 for n in TOP_SIZES},
        **{f"duplicated_{n}_grams": 0.0 for n in DUPLICATED_SIZES},
    }
    ids_W = segments.ids_W
    lengths_W = segments.lengths_V[ids_W] if len(ids_W) else np.zeros(0, dtype=np.int64)
    ends = np.concatenate([[0], np.cumsum(lengths_W)])
    num_characters = max(1, len(segments.text))
    codes = ids_W
    for n in range(2, factor * DUPLICATED_SIZES[-1] + 1):
        if len(ids_W) < n:
            break
        codes, first, counts = extended(codes, ids_W, n)
        size, left = divmod(n, factor)
        if left == 0 and size in TOP_SIZES:
            shares[f"top_{size}_gram"] = top_characters(first, counts, ends, n, factor) / num_characters
        elif left == 0 and size in DUPLICATED_SIZES:
            is_repeat = first[codes] != np.arange(len(codes))
            shares[f"duplicated_{size}_grams"] = covered(is_repeat, n, lengths_W) / num_characters
        if len(first) == len(codes) and factor * TOP_SIZES[-1] < n:
            break  # no longer n-gram can stand twice either
    return shares


Numbers = NDArray[np.int64]


def extended(codes: Numbers, ids_W: Numbers, n: int) -> tuple[Numbers, Numbers, Numbers]:
    """The n-grams numbered anew from those of n - 1 words: (numbers, first place of each, count of each)."""
    pairs = codes[: len(ids_W) - n + 1] * (int(ids_W.max()) + 1) + ids_W[n - 1 :]
    _, first, numbers, counts = np.unique(pairs, return_index=True, return_inverse=True, return_counts=True)
    return numbers, first, counts


def top_characters(first: Numbers, counts: Numbers, ends: Numbers, n: int, factor: int) -> int:
    """Characters of the most frequent n-gram's places with its spaces; 0 where none stands twice.

    Among equally frequent ones that of most characters counts.
    """
    highest = int(counts.max())
    if highest < 2:
        return 0
    starts = first[counts == highest]
    num_spaces = n - 1 if factor == 1 else 0
    return (int((ends[starts + n] - ends[starts]).max()) + num_spaces) * highest


def covered(is_repeat: NDArray[np.bool_], n: int, lengths_W: Numbers) -> int:
    """Characters of the words inside any repeated n-gram, each counted once."""
    if not is_repeat.any():
        return 0
    steps = np.zeros(len(lengths_W) + 1, dtype=np.int64)
    starts = np.flatnonzero(is_repeat)
    np.add.at(steps, starts, 1)
    np.subtract.at(steps, starts + n, 1)
    return int(lengths_W[np.cumsum(steps[:-1]) > 0].sum())
