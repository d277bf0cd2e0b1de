"""Overlap with evaluation prompts: what is measured on must not be learned.

Pure. Texts are compared as words, without case and sentence marks: equal ones overlap, and near-duplicates do
by the Jaccard similarity of their word n-grams (Broder, On the resemblance and containment of documents,
1997), found through an inverted index and computed exactly.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from alignment.quality.funnel import Dropped, dropped
from alignment.quality.recipe import OverlapRecipe
from alignment.records import SftExample
from annotation.records import Message

TELLING_WORDS = 4
"""A single message of fewer words ("Go on.") says nothing of where a dialog comes from."""

EQUAL = "in the evaluation prompts"
NEAR = "like an evaluation prompt"

# Chinese and Japanese write no spaces: a character is a word. Signs such as + keep 1 + 2 apart from 1 - 2.
WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W\u3040-\u30ff\u3400-\u9fff]+|[^\w\s]")
SENTENCE_MARKS = frozenset(".,!?;:\"'“”‘’…()。，！？；：")

Ngram = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Match:
    """The evaluation text that a text is like."""

    text: str
    similarity: float
    """1.0 for equal ones."""


class EvaluationPrompts:
    """The evaluation prompts, indexed for comparison."""

    def __init__(self, contexts: Iterable[Sequence[Message]], recipe: OverlapRecipe) -> None:
        self._recipe = recipe
        texts = dict.fromkeys(text for context in contexts for text in user_texts(context))
        self._texts = list(texts)
        self._place_of: dict[tuple[str, ...], int] = {}
        self._sizes: list[int] = []
        self._places: defaultdict[Ngram, list[int]] = defaultdict(list)
        for place, text in enumerate(self._texts):
            found = words(text)
            self._place_of.setdefault(found, place)
            grams = ngrams(found, recipe.ngram_words)
            self._sizes.append(len(grams))
            for gram in grams:
                self._places[gram].append(place)

    def match(self, context: Sequence[Message]) -> Match | None:
        """What the context overlaps with: an equal text, else the most similar one over the limit."""
        candidates = [found for text in user_texts(context) if (found := self._match_text(text)) is not None]
        return max(candidates, key=lambda match: match.similarity, default=None)

    def _match_text(self, text: str) -> Match | None:
        found = words(text)
        if found in self._place_of:
            return Match(text=self._texts[self._place_of[found]], similarity=1.0)
        if self._recipe.max_similarity is None:
            return None
        grams = ngrams(found, self._recipe.ngram_words)
        shared = Counter(place for gram in grams for place in self._places.get(gram, ()))
        likest = max(
            ((count / (len(grams) + self._sizes[place] - count), -place) for place, count in shared.items()),
            default=(0.0, 0),
        )
        if likest[0] < self._recipe.max_similarity:
            return None
        return Match(text=self._texts[-likest[1]], similarity=likest[0])


def drop_overlap(
    examples: Sequence[SftExample], prompts: EvaluationPrompts
) -> tuple[list[SftExample], list[Dropped]]:
    """Drop the examples whose prompt is, or is like, an evaluation prompt."""
    kept: list[SftExample] = []
    left_out: list[Dropped] = []
    for example in examples:
        match = prompts.match(example.context)
        if match is None:
            kept.append(example)
        elif match.similarity == 1.0:
            left_out.append(dropped(example, EQUAL, match.text))
        else:
            left_out.append(dropped(example, NEAR, f"{match.similarity:.2f}: {match.text}"))
    return kept, left_out


def user_texts(context: Sequence[Message]) -> list[str]:
    """What a dialog is compared by: all that the user said, and each telling message of it."""
    said = [message.content for message in context if message.role == "user"]
    telling = [text for text in said if len(words(text)) >= TELLING_WORDS]
    return list(dict.fromkeys(["\n".join(said), *telling]))


def words(text: str) -> tuple[str, ...]:
    """The words of a text in lower case, without sentence marks."""
    return tuple(word for word in WORD.findall(text.lower()) if word not in SENTENCE_MARKS)


def ngrams(found: Sequence[str], n: int) -> set[Ngram]:
    """The distinct runs of n words; a shorter text is one run."""
    return {tuple(found[start : start + n]) for start in range(max(1, len(found) - n + 1))}
