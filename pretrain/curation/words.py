"""A document's words, lines and paragraphs, found once and shared by all filters.

Comes in: a text. Goes out: `Segments`. Words are numbered by their first appearance, so that filters count
with arrays and look at each distinct word once. Signs are words of their own; so is each character of a
script that is written without spaces.

Suffixes of arrays: W words (all of them, in order), V distinct words.
"""

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import chain

import numpy as np
from numpy.typing import NDArray

UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
"""Thai, Lao, Burmese, Khmer, kana, Han."""
MARKS = (
    "\u0300-\u036f\u0591-\u05bd\u0610-\u061a\u064b-\u0670\u0900-\u0963\u0966-\u0df3\u1ab0-\u1aff\u20d0-\u20ff"
)
"""Accents and vowel signs, which belong to words although Python's \\w leaves them out."""
WORD = re.compile(rf"[{UNSPACED}]|(?:[^\W{UNSPACED}]|[{MARKS}])+|[^\w\s{MARKS}]")
PARAGRAPH_BREAK = re.compile(r"\n\s*\n")
MANY_UNSPACED = 0.5
"""From this share of its words on a document counts as written without spaces."""


@dataclass(frozen=True)
class Segments:
    """A text in its parts."""

    text: str

    @cached_property
    def words(self) -> list[str]:
        """All words and signs, as written."""
        return split_words(self.text)

    @cached_property
    def _numbered(self) -> tuple[NDArray[np.int64], list[str]]:
        vocabulary = list(dict.fromkeys(self.words))
        numbers = dict(zip(vocabulary, range(len(vocabulary)), strict=True))
        ids = np.fromiter(map(numbers.__getitem__, self.words), dtype=np.int64, count=len(self.words))
        return ids, vocabulary

    @property
    def ids_W(self) -> NDArray[np.int64]:
        """Each word's place in `vocabulary`."""
        return self._numbered[0]

    @property
    def vocabulary(self) -> list[str]:
        """The distinct words in the order of their first appearance."""
        return self._numbered[1]

    @cached_property
    def counts_V(self) -> NDArray[np.int64]:
        """How often each distinct word stands in the text."""
        return np.bincount(self.ids_W, minlength=len(self.vocabulary))

    @cached_property
    def lengths_V(self) -> NDArray[np.int64]:
        """Characters of each distinct word."""
        return np.fromiter(map(len, self.vocabulary), dtype=np.int64, count=len(self.vocabulary))

    @cached_property
    def lines(self) -> list[str]:
        """The lines with something in them, without spaces around them."""
        return [stripped for line in self.text.split("\n") if (stripped := line.strip())]

    @cached_property
    def paragraphs(self) -> list[str]:
        """What stands between blank lines."""
        return [stripped for part in PARAGRAPH_BREAK.split(self.text) if (stripped := part.strip())]

    @cached_property
    def is_unspaced(self) -> bool:
        """Whether the text is written without spaces: then words are characters."""
        num_unspaced = sum(
            int(count)
            for word, count in zip(self.vocabulary, self.counts_V, strict=True)
            if len(word) == 1 and word > "\u0dff" and UNSPACED_CHARACTER.match(word)
        )
        return num_unspaced > MANY_UNSPACED * max(1, len(self.words))


UNSPACED_CHARACTER = re.compile(rf"[{UNSPACED}]")


def split_words(text: str) -> list[str]:
    """The words and signs of a text. Most pieces between spaces are met again and split once."""
    return list(chain.from_iterable(map(split_piece, text.split())))


@lru_cache(maxsize=1 << 18)
def split_piece(piece: str) -> tuple[str, ...]:
    """The words and signs of what stands between two spaces."""
    return tuple(WORD.findall(piece))
