"""The pretraining corpus of the small world: documents that state what is true, and dialogs of mixed quality.

Pure but for `write_corpus`. About half of the answers in the dialogs are wrong, in the wrong form,
rambling or rude, so that a base model knows what is true and still often answers badly: what is left
to alignment. Only training questions occur; held-out ones are never seen.
"""

import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

from demo.questions import Form, Question, answer_in_form
from demo.words import COURTESIES, NUMBERS, PROPERTIES, RAMBLING, RUDE
from demo.world import World

WRONG, OTHER_FORM, RAMBLES, IS_RUDE = 0.35, 0.2, 0.25, 0.2
"""How often an answer in the corpus has each fault; they come independently."""


def flawed_answer(question: Question, draw: random.Random) -> str:
    """An answer as the corpus holds them: each fault comes or stays away by chance."""
    values = question.values
    if draw.random() < WRONG:
        values = _wrong_values(question, draw)
    form: Form = question.form
    if draw.random() < OTHER_FORM:
        form = draw.choice([each for each in _possible_forms(question) if each != form])
    if form == "free":
        form = draw.choice(("word", "sentence"))
    answer = answer_in_form(question, form, values, draw.choice(COURTESIES))
    if draw.random() < RAMBLES:
        answer = f"{answer} {' '.join(draw.sample(RAMBLING, draw.choice((1, 2))))}"
    if draw.random() < IS_RUDE:
        rude = draw.choice(RUDE)
        answer = f"{rude} {answer}" if draw.random() < 0.5 else f"{answer} {rude}"
    return answer


def _possible_forms(question: Question) -> tuple[Form, ...]:
    return ("word", "sentence", "polite") if len(question.values) == 1 else ("list", "sentence", "polite")


def _wrong_values(question: Question, draw: random.Random) -> tuple[str, ...]:
    """The right values with one of them replaced."""
    values = list(question.values)
    place = draw.randrange(len(values))
    values[place] = draw.choice(question.decoys[place])
    return tuple(values)


def documents(world: World, count: int) -> Iterator[str]:
    """Short documents that state facts: of one person, of sums, of what belongs together."""
    draw = random.Random(f"documents {world.seed}")
    for number in range(count):
        if number % 4 == 2:
            yield _sums(draw)
        elif number % 4 == 3:
            yield _kinds(draw)
        else:
            yield _person(world, draw)


def _person(world: World, draw: random.Random) -> str:
    name = draw.choice(world.names)
    properties = draw.sample(list(PROPERTIES), len(PROPERTIES))
    sentences = [world.statement(name, *properties[:2])]
    sentences += [world.statement(name, each) for each in properties[2:]]
    return " ".join(sentences)


def _sums(draw: random.Random) -> str:
    sentences = []
    for _ in range(4):
        a, b = draw.randrange(8), draw.randrange(8)
        sentences.append(f"The sum of {NUMBERS[a]} and {NUMBERS[b]} is {NUMBERS[a + b]}.")
    return " ".join(sentences)


def _kinds(draw: random.Random) -> str:
    sentences = []
    for kind in draw.sample(list(PROPERTIES), 2):
        word = draw.choice(PROPERTIES[kind])
        sentences.append(f"The word {word} is a kind of {kind}.")
        length = NUMBERS[len(word)]
        sentences.append(f"The word {word} begins with the letter {word[0]} and has {length} letters.")
    low, high = sorted(draw.sample(range(8), 2))
    sentences.append(f"The number {NUMBERS[high]} is larger than {NUMBERS[low]}.")
    return " ".join(sentences)


def write_corpus(
    folder: Path, world: World, questions: Sequence[Question], num_documents: int, num_dialogs: int
) -> None:
    """Write `documents.jsonl` ({"text"}) and `dialogs.jsonl` ({"messages"}) into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = random.Random(f"dialogs {world.seed}")
    with (folder / "documents.jsonl").open("w", encoding="utf-8") as out:
        for text in documents(world, num_documents):
            out.write(json.dumps({"text": text}) + "\n")
    with (folder / "dialogs.jsonl").open("w", encoding="utf-8") as out:
        for _ in range(num_dialogs):
            question = draw.choice(questions)
            answer = flawed_answer(question, draw)
            messages = [{"role": "user", "content": question.text}, {"role": "assistant", "content": answer}]
            out.write(json.dumps({"messages": messages}) + "\n")
