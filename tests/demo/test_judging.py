"""How the simulated annotators judge."""

import random
from collections import Counter

import pytest

from demo.gold import gold_best_answer, gold_utility
from demo.judging import Annotator, asked_question, draw_annotators, judge, question_book
from demo.words import RUDE
from demo.world import world_of

WORLD = world_of(0, 20)
BOOK = question_book(WORLD)
QUESTION = BOOK[f"Which colour does {WORLD.names[0]} like? In one word."]
RIGHT = gold_best_answer(QUESTION)
WRONG = f"{QUESTION.decoys[0][0].capitalize()}."
CAREFUL = Annotator(noise=0.0, edit_rate=0.0)


def test_a_prompt_is_known_by_the_text_of_its_last_message() -> None:
    context = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": QUESTION.text}]
    assert asked_question(BOOK, context) == QUESTION


def test_a_question_of_another_world_is_not_known() -> None:
    with pytest.raises(KeyError):
        asked_question(BOOK, [{"role": "user", "content": "Why?"}])


def test_a_careful_annotator_prefers_the_better_answer_on_either_side() -> None:
    draw = random.Random(0)
    assert judge(QUESTION, RIGHT, WRONG, CAREFUL, draw).preferred == "left"
    assert judge(QUESTION, WRONG, RIGHT, CAREFUL, draw).preferred == "right"


def test_strength_follows_the_difference_of_utility() -> None:
    draw = random.Random(0)
    clumsy = f"{RIGHT} {' '.join(RUDE)}"
    assert judge(QUESTION, RIGHT, WRONG, CAREFUL, draw).strength == "significantly_better"
    assert judge(QUESTION, RIGHT, clumsy, CAREFUL, draw).strength == "better"
    assert judge(QUESTION, RIGHT, RIGHT, CAREFUL, draw).strength == "marginally_better"


def test_an_edit_is_better_than_the_chosen_answer_and_a_perfect_one_is_left_alone() -> None:
    eager = Annotator(noise=0.0, edit_rate=1.0)
    verdict = judge(QUESTION, WRONG, "", eager, random.Random(0))
    assert verdict.edited is not None
    assert gold_utility(QUESTION, verdict.edited) > gold_utility(QUESTION, WRONG)
    assert judge(QUESTION, WRONG, RIGHT, eager, random.Random(0)).edited is None


def test_noise_makes_close_calls_go_both_ways_and_clear_ones_hardly_ever() -> None:
    noisy = Annotator(noise=0.1, edit_rate=0.0)
    draw = random.Random(0)
    close = Counter(judge(QUESTION, RIGHT, RIGHT, noisy, draw).preferred for _ in range(400))
    clear = Counter(judge(QUESTION, RIGHT, WRONG, noisy, draw).preferred for _ in range(400))
    assert 120 < close["left"] < 280
    assert clear["left"] > 395


def test_annotators_are_drawn_from_the_seed_and_differ() -> None:
    people = draw_annotators(6, seed=1, edit_rate=0.2)
    assert people == draw_annotators(6, seed=1, edit_rate=0.2)
    assert len({person.noise for person in people}) == 6
