"""The gold preference: right, in the asked form, short and polite."""

import pytest

from demo.gold import gold_best_answer, gold_utility, in_asked_form, rightness, shortness
from demo.questions import Form, Question, questions_of
from demo.words import COURTESIES, RAMBLING, RUDE
from demo.world import world_of


def question(form: Form) -> Question:
    """What Mila likes, asked in `form`."""
    return Question(
        domain="facts",
        text="Which colour does Mila like?",
        form=form,
        sentence="Mila likes the colour {}.",
        values=("red",),
        decoys=(("blue", "green"),),
    )


TWO = Question(
    domain="requests",
    text="Tell me the colour and the animal of Mila. As a list.",
    form="list",
    sentence="Mila likes the colour {} and keeps a {}.",
    values=("red", "cat"),
    decoys=(("blue", "green"), ("dog", "duck")),
)


def test_the_best_answer_to_every_question_is_worth_everything() -> None:
    for each in questions_of(world_of(1, 20)):
        assert gold_utility(each, gold_best_answer(each)) == pytest.approx(1)


@pytest.mark.parametrize(
    ("form", "answer"),
    [
        ("word", "Red."),
        ("sentence", "Mila likes the colour red."),
        ("polite", "Gladly. Mila likes the colour red."),
        ("free", "Red."),
        ("free", "Mila likes the colour red."),
    ],
)
def test_a_right_answer_in_the_asked_form_is_worth_everything(form: Form, answer: str) -> None:
    assert gold_utility(question(form), answer) == pytest.approx(1)


@pytest.mark.parametrize(
    ("form", "answer"),
    [
        ("word", "Mila likes the colour red."),
        ("sentence", "Red."),
        ("polite", "Mila likes the colour red."),
        ("free", "Of red."),
    ],
)
def test_another_form_than_the_asked_one_costs_something(form: Form, answer: str) -> None:
    assert not in_asked_form(question(form), answer)
    assert gold_utility(question(form), answer) < 1


def test_a_wrong_answer_is_worth_less_than_any_right_one() -> None:
    wrong = gold_utility(question("word"), "Blue.")
    clumsy = gold_utility(question("word"), f"Mila likes the colour red. {RUDE[0]}")
    assert wrong < clumsy < 1


def test_naming_several_values_is_not_right() -> None:
    assert rightness(question("free"), "Red. Blue.") == 0
    assert rightness(question("free"), "Of course. But many people say many things.") == 0


def test_half_of_two_values_is_half_right() -> None:
    assert rightness(TWO, "- red\n- cat") == 1
    assert rightness(TWO, "- red\n- dog") == 0.5
    assert rightness(TWO, "- red") == 0
    assert rightness(TWO, "- cat\n- red") == 0


@pytest.mark.parametrize("rude", RUDE)
def test_rudeness_costs_wherever_it_stands(rude: str) -> None:
    best = "Mila likes the colour red."
    for answer in (f"{rude} {best}", f"{best} {rude}"):
        assert in_asked_form(question("sentence"), answer)
        assert gold_utility(question("sentence"), answer) < gold_utility(question("sentence"), best)


@pytest.mark.parametrize("rambling", RAMBLING)
def test_rambling_costs(rambling: str) -> None:
    best = "Mila likes the colour red."
    assert shortness(question("sentence"), f"{best} {rambling}") < 1
    assert shortness(question("sentence"), f"{COURTESIES[0]} {best}") == 1


def test_an_empty_answer_is_worth_little() -> None:
    assert gold_utility(question("word"), "") < 0.5
