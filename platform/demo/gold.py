"""The gold preference: how good an answer really is. Known to the simulated annotators and to the final
evaluation, never to training (tests/architecture holds everything else back from importing it).

Pure. An answer is worth more when it is right, in the asked form, short and polite.
"""

import re

from demo.questions import Question, answer_in_form
from demo.words import COURTESIES, RUDE

RIGHT, FORM, SHORT, POLITE = 0.5, 0.2, 0.15, 0.15
"""What each virtue adds; they sum to 1."""

SPARE_WORDS = 2
"""Words beyond the best answer's before an answer counts as long."""
LONG_WORDS = 12
"""Words beyond that at which nothing is left of the credit for being short."""


def gold_utility(question: Question, answer: str) -> float:
    """How good `answer` is, from 0 to 1."""
    return (
        RIGHT * rightness(question, answer)
        + FORM * float(in_asked_form(question, answer))
        + SHORT * shortness(question, answer)
        + POLITE * float(not any(rude in answer for rude in RUDE))
    )


def gold_best_answer(question: Question) -> str:
    """An answer of utility 1."""
    return answer_in_form(question, question.form, question.values)


def rightness(question: Question, answer: str) -> float:
    """The part of the values that the answer gets right; 0 where it names more or fewer than asked."""
    slots = [{value, *decoys} for value, decoys in zip(question.values, question.decoys, strict=True)]
    known = set().union(*slots)
    named = list(dict.fromkeys(word for word in _words(answer) if word in known))
    if len(named) != len(slots):
        return 0.0
    return sum(a == b for a, b in zip(named, question.values, strict=True)) / len(slots)


def in_asked_form(question: Question, answer: str) -> bool:
    """Whether the answer has the form that the question asks for, whatever it claims."""
    sentence = r"\w+".join(re.escape(part) for part in question.sentence.split("{}"))
    courtesy = "|".join(re.escape(each) for each in COURTESIES)
    forms = {
        "word": r"\w+\.",
        "list": r"- \w+(\n- \w+)+",
        "sentence": sentence,
        "polite": rf"({courtesy}) {sentence}",
        "free": rf"\w+\.|{sentence}",
    }
    return re.match(rf"({forms[question.form]})(?=$|\s)", _without_rudeness(answer)) is not None


def shortness(question: Question, answer: str) -> float:
    """1 for an answer about as short as the best one, falling to 0."""
    surplus = len(_words(answer)) - len(_words(gold_best_answer(question))) - SPARE_WORDS
    return min(1.0, max(0.0, 1 - surplus / LONG_WORDS))


def _without_rudeness(answer: str) -> str:
    for rude in RUDE:
        answer = answer.replace(rude, "")
    return answer.strip()


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z]+", text.lower())
