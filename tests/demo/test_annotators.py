"""Simulated annotators at work over real HTTP."""

import random
from collections.abc import Sequence

import pytest
from pytest_django.live_server_helper import LiveServer

from accord_client import Unauthorized
from accounts.services import token_create
from annotation.models import Edit, Judgement, Project
from demo.annotators import annotators_work
from demo.corpus import flawed_answer
from demo.gold import gold_utility
from demo.judging import question_book
from demo.world import World, world_of
from tests.annotation.factories import make_annotator, make_comparison, make_project

NUM_PEOPLE = 6


@pytest.fixture
def world() -> World:
    return world_of(0, 10)


def make_world_comparisons(project: Project, world: World, count: int) -> None:
    """Comparisons of answers as the corpus holds them."""
    draw = random.Random(0)
    questions = draw.sample(sorted(question_book(world).values(), key=lambda each: each.text), count)
    for question in questions:
        answers = (flawed_answer(question, draw), flawed_answer(question, draw))
        make_comparison(project, question.text, answers=answers, domain=question.domain)


def tokens_of(project: Project, count: int) -> list[str]:
    """API tokens of new annotators."""
    return [
        token_create(make_annotator(project, f"person-{number}"), name="bot")[1] for number in range(count)
    ]


@pytest.mark.django_db(transaction=True)
def test_six_people_judge_all_there_is_and_mostly_prefer_the_better_answer(
    live_server: LiveServer, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("demo.annotators.EDIT_RATE", 0.5)  # so that it is not left to luck
    project = make_project()
    make_world_comparisons(project, world, 30)
    shown: list[tuple[int, int]] = []
    done = work(live_server.url, project, tokens_of(project, NUM_PEOPLE), world, 30, shown)
    assert done == 30
    assert shown[-1] == (30, 30)
    judgements = list(Judgement.objects.select_related("comparison__left", "comparison__right"))
    assert len({judgement.comparison_id for judgement in judgements}) == 30
    agreements = [agreement(judgement, world) for judgement in judgements]
    assert sum(agreements) >= 24
    assert Edit.objects.exists()


def agreement(judgement: Judgement, world: World) -> bool:
    """Whether the preferred answer is at least as good as the other."""
    comparison = judgement.comparison
    question = question_book(world)[comparison.context[-1]["content"]]
    left, right = (gold_utility(question, side.content) for side in (comparison.left, comparison.right))
    return left >= right if judgement.preferred == "left" else right >= left


@pytest.mark.django_db(transaction=True)
def test_people_go_home_when_the_round_ends_without_them(live_server: LiveServer, world: World) -> None:
    project = make_project()
    asked = iter(range(3))
    done = annotators_work(
        web_url=live_server.url,
        project=project.slug,
        tokens=tokens_of(project, 1),
        world=world,
        seed=0,
        is_over=lambda: next(asked, None) is None,
        num_judgements=5,
    )
    assert done == 0


@pytest.mark.django_db(transaction=True)
def test_a_wrong_token_is_an_error_and_not_silence(live_server: LiveServer, world: World) -> None:
    project = make_project()
    tokens = [*tokens_of(project, 2), "wrong"]
    with pytest.raises(Unauthorized, match="401"):
        work(live_server.url, project, tokens, world, 1, [])


def work(
    url: str, project: Project, tokens: Sequence[str], world: World, count: int, shown: list[tuple[int, int]]
) -> int:
    """Let people with `tokens` judge until there are `count` judgements."""
    return annotators_work(
        web_url=url,
        project=project.slug,
        tokens=tokens,
        world=world,
        seed=0,
        is_over=lambda: False,
        num_judgements=count,
        progress=lambda done, total: shown.append((done, total)),
    )
