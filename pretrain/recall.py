"""The recall task: facts put into real text, asked for at its end. What a needle test measures, and what a
tiny model must be taught before it can pass one.

Comes in: an encoder, the tokens of real text, a generator of random numbers, a row's length. Goes out: rows
of tokens, with where the answers stand. A fact names a value for a key ("Remember amber violet."), a question
begins to say it again ("Remember amber") and its answer is the value. Pieces are encoded apart, so that they
are the same tokens at every place.

(Kamradt 2023, "Needle in a haystack"; several keys: Hsieh et al. 2024, "RULER"; the task's learning by small
models: Arora et al. 2023, "Zoology".)

Shapes: T tokens of a row.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pretrain.dialog import DialogEncoder
from pretrain.run import ProgramError

KEYS = (
    "amber", "basil", "cedar", "delta", "ember", "fjord", "grove", "heron",
    "ivory", "jewel", "koala", "lemon", "maple", "north", "olive", "pearl",
)  # fmt: skip
VALUES = ("quartz", "raven", "tulip", "umber", "violet", "walnut", "yarrow", "zinc")
"""Words that hardly ever stand in text: with "one" or "two", text itself would answer."""


@dataclass(frozen=True)
class Fact:
    """A needle: what is said, and where."""

    key: str
    value: str
    depth: float
    """0 at the beginning of the text, 1 just before the questions."""


@dataclass(frozen=True)
class RecallRow:
    """One text with its questions."""

    tokens_T: np.ndarray
    answers: tuple[slice, ...]
    """Where each question's answer stands in the row."""


def recall_texts() -> list[str]:
    """What a tokenizer should have seen, so that keys and values are few tokens."""
    return [f" Remember {key} {value}." for key in KEYS for value in VALUES]


class RecallTask:
    """Rows of the task over one text, in one tokenizer's tokens."""

    def __init__(self, encoder: DialogEncoder, haystack_N: np.ndarray) -> None:
        """`haystack_N`: the tokens of the text that rows are cut from; it may be shorter than a row."""
        assert len(haystack_N), "no text"
        self._haystack_N = haystack_N
        self._begin = [encoder.begin_of_text_id]
        encoded = iter(
            ids[1:-1]  # without begin and end of text
            for ids in encoder.encode_documents(
                [*(f" Remember {key}" for key in KEYS), *(f" {value}" for value in VALUES), "."]
            )
        )
        self._questions = {key: next(encoded) for key in KEYS}
        self.values = {value: next(encoded) for value in VALUES}
        """The tokens of each value, as an answer."""
        self._stop = next(encoded)

    def fact_tokens(self, fact: Fact) -> list[int]:
        """The fact as it stands in the text and, once asked and answered, at the end."""
        return [*self._questions[fact.key], *self.values[fact.value], *self._stop]

    def draw_facts(
        self, random: np.random.Generator, num_facts: int, depth: float | None = None
    ) -> list[Fact]:
        """Facts with different keys, at random depths but for the first, which may be told its own."""
        keys = random.permutation(len(KEYS))[:num_facts]
        values = random.integers(len(VALUES), size=num_facts)
        depths = random.random(num_facts)
        if depth is not None:
            depths[0] = depth
        return [
            Fact(KEYS[key], VALUES[value], float(place))
            for key, value, place in zip(keys, values, depths, strict=True)
        ]

    def row(
        self, random: np.random.Generator, length: int, facts: Sequence[Fact], asked: Sequence[Fact]
    ) -> RecallRow:
        """`length` tokens: text with the facts in it, and at the end the questions with their answers.

        Raises ProgramError where the row is too short for them.
        """
        told = [self.fact_tokens(fact) for fact in facts]
        asked_for = [self.fact_tokens(fact) for fact in asked]
        num_text = length - len(self._begin) - sum(map(len, told)) - sum(map(len, asked_for))
        if num_text < 0:
            raise ProgramError(
                f"A row of {length} tokens has no room for {len(facts)} facts and {len(asked)} questions: "
                f"they want {length - num_text} tokens. Ask for fewer facts or longer rows."
            )
        first = int(random.integers(len(self._haystack_N)))
        text = np.take(self._haystack_N, np.arange(first, first + num_text), mode="wrap")
        parts: list[Sequence[int] | np.ndarray] = [self._begin]
        done = 0
        for depth, tokens in sorted((fact.depth, tokens) for fact, tokens in zip(facts, told, strict=True)):
            place = round(depth * num_text)
            parts += [text[done:place], tokens]
            done = place
        parts.append(text[done:])
        answers: list[slice] = []
        place = length - sum(map(len, asked_for))
        for fact, tokens in zip(asked, asked_for, strict=True):
            parts.append(tokens)
            start = place + len(self._questions[fact.key])
            answers.append(slice(start, start + len(self.values[fact.value])))
            place += len(tokens)
        return RecallRow(np.concatenate([np.asarray(part, dtype=np.int64) for part in parts]), tuple(answers))

    def training_row(self, random: np.random.Generator, length: int, max_facts: int) -> RecallRow:
        """A row with one to `max_facts` facts, all of them asked for in a random order."""
        facts = self.draw_facts(random, int(random.integers(1, max_facts + 1)))
        asked = [facts[place] for place in random.permutation(len(facts))]
        return self.row(random, length, facts, asked)
