"""The gold preference on a round's page: the demo scores what a round answered, after it has ended."""

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from pytest_django.fixtures import Settings
from rich.console import Console

from alignment.models import Round, Stage
from alignment.records import Candidate, CandidateSet, PromptRecord, SampledAnswer
from annotation.records import Message
from demo.gold import gold_best_answer
from demo.prompts import prompts_of
from demo.run import Demo
from demo.settings import quick_settings
from demo.world import world_of
from deploy.local.state import StackState
from tests.alignment.evaluated import write_evaluation
from tests.alignment.factories import make_round

pytestmark = pytest.mark.django_db

WORLD = world_of(0, 8)


class DemoInThisProcess(Demo):
    """The demo whose commands run here, on the tests' database."""

    def manage(self, *arguments: str) -> None:
        """Run one of manage.py's commands."""
        call_command(*arguments, stdout=StringIO())


@pytest.fixture
def round_(settings: Settings, tmp_path: Path) -> Round:
    """A round whose candidate answers as well as can be, and whose base says nothing."""
    settings.ACCORD_RUNS = tmp_path / "runs"
    questions = prompts_of(WORLD)[:6]
    prompts = [
        PromptRecord(
            id=each.id,
            domain=each.question.domain,
            language="en",
            context=(Message(role="user", content=each.question.text),),
        )
        for each in questions
    ]
    best = {each.id: gold_best_answer(each.question) for each in questions}
    answers = [
        SampledAnswer(
            prompt_id=prompt.id,
            domain=prompt.domain,
            policy=policy,
            sample=0,
            content=best[prompt.id] if policy == "candidate" else "",
            reward=0.0,
        )
        for policy in ("candidate", "base")
        for prompt in prompts
    ]
    sets = [
        CandidateSet(
            prompt=prompt,
            candidates=tuple(
                Candidate(content=content, num_tokens=1, finish="stop", reward=reward)
                for content, reward in ((best[prompt.id], 0.0), ("", 1.0))
            ),
            best=1,
        )
        for prompt in prompts
    ]
    return write_evaluation(make_round(), prompts, answers, sets)


def test_the_page_gets_gold_win_rates_and_what_the_reward_picks_is_worth(
    round_: Round, tmp_path: Path
) -> None:
    stack = StackState(var=tmp_path, pid=0, started=0.0, web_url="", database_url="", redis_url="", pids={})
    demo = DemoInThisProcess(
        stack=stack,
        environment={},
        settings=quick_settings(),
        seed=0,
        world=WORLD,
        folder=tmp_path,
        project=round_.project.slug,
        base="base",
        console=Console(),
    )
    demo.show_gold(1)
    (report,) = round_.stages.get(name=Stage.Name.EVALUATION).result["outside"]
    assert report["by"] == "the gold preference"
    assert report["win_rate"]["base"]["value"] == 1.0
    one, two = report["best_of_k"]["points"]
    assert two["proxy"]["value"] > 0 > two["gold"]["value"]
    assert one["gold"]["value"] == 0
