"""How a simulated annotator judges two answers: by the gold preference, with noise of their own.

Pure. The annotator knows a prompt only by its text, as a person would: `QuestionBook` finds the question
that was asked in the last user message.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from demo.gold import gold_best_answer, gold_utility
from demo.questions import Question, questions_of
from demo.world import World

Strength = Literal["significantly_better", "better", "slightly_better", "marginally_better"]

STRENGTH_THRESHOLDS: tuple[tuple[float, Strength], ...] = (
    (0.4, "significantly_better"),
    (0.18, "better"),
    (0.08, "slightly_better"),
)
"""The least difference of felt utility for each strength; anything less is marginal."""

QuestionBook = Mapping[str, Question]
"""Questions by what the user said."""


@dataclass(frozen=True, kw_only=True)
class Annotator:
    """One simulated annotator's habits."""

    noise: float
    """Standard deviation of the error in how they feel the difference of two answers."""
    edit_rate: float
    """How often they edit a chosen answer that is not perfect."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What an annotator says about a comparison."""

    preferred: Literal["left", "right"]
    strength: Strength
    edited: str | None


def question_book(world: World) -> QuestionBook:
    """Every question of the world by its text."""
    return {question.text: question for question in questions_of(world)}


def draw_annotators(count: int, seed: int, *, edit_rate: float) -> list[Annotator]:
    """`count` annotators, some more careful than others."""
    draw = random.Random(f"annotators {seed}")
    return [Annotator(noise=draw.uniform(0.04, 0.12), edit_rate=edit_rate) for _ in range(count)]


def asked_question(book: QuestionBook, context: Sequence[Mapping[str, str]]) -> Question:
    """The question of the last user message. Raises KeyError for one that the world does not know."""
    return book[context[-1]["content"]]


def judge(question: Question, left: str, right: str, annotator: Annotator, draw: random.Random) -> Verdict:
    """Compare two answers: which is felt to be better, how strongly, and perhaps a better wording."""
    felt = gold_utility(question, left) - gold_utility(question, right) + draw.gauss(0, annotator.noise)
    chosen = left if felt > 0 else right
    best = gold_best_answer(question)
    # Who would write what the other answer says already should have preferred that one.
    improvable = gold_utility(question, chosen) < 1 and best not in (left.strip(), right.strip())
    edits = improvable and draw.random() < annotator.edit_rate
    return Verdict(
        preferred="left" if felt > 0 else "right",
        strength=_strength(abs(felt)),
        edited=best if edits else None,
    )


def _strength(felt: float) -> Strength:
    for threshold, strength in STRENGTH_THRESHOLDS:
        if felt >= threshold:
            return strength
    return "marginally_better"
