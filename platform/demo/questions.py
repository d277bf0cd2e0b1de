"""The questions one can ask in the small world: what a user says and which answers are right.

Pure. `questions_of(world)` lists every question that the demo may use; `answer_in_form` writes an
answer to a question in one of the forms that a user may ask for.
"""

from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from demo.words import (
    COURTESIES,
    FORM_REQUESTS,
    NUMBERS,
    PREDICATES,
    PROPERTIES,
    PROPERTY_QUESTIONS,
)
from demo.world import World

Form = Literal["free", "word", "sentence", "list", "polite"]
Domain = Literal["facts", "sums", "puzzles", "requests"]

GREETINGS = ("", "Hello. ")
"""How a user may begin; it changes nothing about the right answer."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """One question in one asked form."""

    domain: Domain
    text: str
    """What the user says."""
    form: Form
    sentence: str
    """The answer as a sentence, with a slot `{}` for each value."""
    values: tuple[str, ...]
    """The right words, in order."""
    decoys: tuple[tuple[str, ...], ...]
    """For each value, the wrong words that could stand in its place."""


def answer_in_form(
    question: Question, form: Form, values: tuple[str, ...], courtesy: str = COURTESIES[0]
) -> str:
    """An answer that claims `values`, written in `form` ("free" is a sentence)."""
    if form == "word":
        return f"{' '.join(values).capitalize()}."
    if form == "list":
        return "\n".join(f"- {value}" for value in values)
    sentence = question.sentence.format(*values)
    return f"{courtesy} {sentence}" if form == "polite" else sentence


def questions_of(world: World) -> list[Question]:
    """Every question of `world`, in a fixed order, no text twice."""
    listed = [*_facts(world), *_sums(), *_larger(), *_spelling(), *_requests(world)]
    return list({question.text: question for question in listed}.values())


def _forms(
    domain: Domain,
    asked: str,
    sentence: str,
    values: tuple[str, ...],
    decoys: tuple[tuple[str, ...], ...],
    forms: tuple[Form, ...] = ("free", "word", "sentence", "polite"),
) -> list[Question]:
    return [
        Question(
            domain=domain, text=greeting + asked + FORM_REQUESTS[form], form=form,
            sentence=sentence, values=values, decoys=decoys,
        )
        for greeting in GREETINGS
        for form in forms
    ]  # fmt: skip


def _others(value: str, among: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(each for each in among if each != value)


def _facts(world: World) -> list[Question]:
    listed: list[Question] = []
    for name in world.names:
        for each, among in PROPERTIES.items():
            value = world.facts[name][each]
            sentence = f"{name} {PREDICATES[each]}."
            for asked in (PROPERTY_QUESTIONS[each].format(name), f"Tell me the {each} of {name}."):
                listed += _forms("facts", asked, sentence, (value,), (_others(value, among),))
    return listed


def _sums() -> list[Question]:
    listed: list[Question] = []
    for a in range(8):
        for b in range(8):
            value = NUMBERS[a + b]
            decoys = _others(value, NUMBERS[max(0, a + b - 4) : a + b + 5])
            for asked in (
                f"What is {NUMBERS[a]} plus {NUMBERS[b]}?",
                f"Tell me the sum of {NUMBERS[a]} and {NUMBERS[b]}.",
            ):
                listed += _forms("sums", asked, "The sum is {}.", (value,), (decoys,))
    return listed


def _larger() -> list[Question]:
    listed: list[Question] = []
    for a in range(8):
        for b in range(8):
            if a != b:
                larger, smaller = NUMBERS[max(a, b)], NUMBERS[min(a, b)]
                asked = f"Which number is larger, {NUMBERS[a]} or {NUMBERS[b]}?"
                listed += _forms("puzzles", asked, "The larger number is {}.", (larger,), ((smaller,),))
    return listed


def _spelling() -> list[Question]:
    listed: list[Question] = []
    words = [word for among in PROPERTIES.values() for word in among]
    letters = tuple(sorted({word[0] for word in words}))
    for word in words:
        listed += _forms(
            "puzzles",
            f"Which letter begins the word {word}?",
            "The letter is {}.",
            (word[0],),
            (_others(word[0], letters),),
        )
        listed += _forms(
            "puzzles",
            f"How many letters has the word {word}?",
            "The number of letters is {}.",
            (NUMBERS[len(word)],),
            (_others(NUMBERS[len(word)], NUMBERS[3:9]),),
        )
        kind = next(each for each, among in PROPERTIES.items() if word in among)
        listed += _forms(
            "puzzles",
            f"Which kind of word is {word}?",
            "The kind is {}.",
            (kind,),
            (_others(kind, tuple(PROPERTIES)),),
        )
    return listed


def _requests(world: World) -> list[Question]:
    listed: list[Question] = []
    for name in world.names:
        for first, second in combinations(PROPERTIES, 2):
            values = (world.facts[name][first], world.facts[name][second])
            decoys = (_others(values[0], PROPERTIES[first]), _others(values[1], PROPERTIES[second]))
            asked = f"Tell me the {first} and the {second} of {name}."
            sentence = f"{name} {PREDICATES[first]} and {PREDICATES[second]}."
            listed += _forms("requests", asked, sentence, values, decoys, ("sentence", "list", "polite"))
    return listed
