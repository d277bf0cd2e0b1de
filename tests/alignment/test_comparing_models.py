"""Two models side by side: from rounds' evaluations, or by asking both."""

import json
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.errors import Invalid
from accounts.models import Role, User
from accounts.services import token_create, user_create
from alignment.model_comparing import (
    MAX_LOST,
    model_comparison_cancel,
    model_comparison_request,
    model_comparisons_advance,
)
from alignment.models import GatePair, ModelComparison, Program, Round, Stage
from alignment.records import SampledAnswer
from alignment.running import program_claim
from annotation.models import Prompt
from annotation.records import write_records
from registry.models import Checkpoint
from tests.e2e.sample_models import make_history, two_compared

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("broker")]


@pytest.fixture
def admin() -> User:
    """Who compares."""
    return user_create(username="lead", role=Role.ADMIN)


@pytest.fixture
def page(client: Client, admin: User) -> Client:
    """The admin's browser."""
    client.force_login(admin)
    return client


@pytest.fixture
def history(tmp_path: Path, settings: Settings) -> list[Round]:
    """Five rounds, evaluated, and prompts that are held out."""
    settings.ACCORD_RUNS = tmp_path / "runs"
    rounds = make_history(tmp_path)
    for number in range(3):
        Prompt.objects.create(
            project=rounds[0].project,
            external_id=f"h{number}",
            domain="sums",
            language="en",
            split="holdout",
            context=[{"role": "user", "content": f"{number}?"}],
        )
    return rounds


def named(name: str) -> Checkpoint:
    return Checkpoint.objects.get(name=f"history-{name}")


def ask(history: list[Round], num_prompts: int = 2) -> ModelComparison:
    return model_comparison_request(
        named("r5-dpo-variant-1"),
        named("r4-dpo-average"),
        project=history[0].project,
        reward_model=named("r5-reward-model-average"),
        num_prompts=num_prompts,
        actor=None,
    )


def test_what_a_round_evaluated_is_shown_at_once_with_people_and_differences(
    page: Client, history: list[Round], django_assert_max_num_queries: object
) -> None:
    gate = history[-1].stages.get(name=Stage.Name.GATE)
    for number, verdict in enumerate(("left", "left", "right", "left")):
        GatePair.objects.create(
            stage=gate,
            number=number,
            prompt_id=f"p{number}",
            other="previous",
            context=[],
            candidate_answer="a",
            other_answer="b",
            candidate_left=True,
            verdict=verdict,
        )
    with django_assert_max_num_queries(20):  # type: ignore[operator]  # pytest-django's fixture
        text = page.get(two_compared()).content.decode()
    for said in (
        "By people who compared blind",
        "75.0%",
        "… in coding",
        "significantly",
        "<mark>",
        "rejection.num_candidates",
        "judgements that train",
        "6,200",
        "Page 1 of",
    ):
        assert said.lower() in text.lower(), said
    turned = page.get("/models/compare/?a=history-r4-dpo-average&b=history-r5-dpo-average").content.decode()
    assert "25.0%" in turned
    by_round = page.get(f"/models/compare/?round_a={history[4].pk}&round_b={history[3].pk}").content.decode()
    assert "history-r5-dpo-average" in by_round and "By the reward model" in by_round
    won = page.get(two_compared() + "&order=first&domain=coding").content.decode()
    assert "Where the first wins most" in won


def test_the_command_and_the_api_tell_the_same(history: list[Round], admin: User, client: Client) -> None:
    out = StringIO()
    call_command("compare_models", "history-r5-dpo-average", "history-r4-dpo-average", stdout=out)
    assert "Win rate of the first" in out.getvalue()
    assert "rejection.num_candidates: 15 | 14" in out.getvalue()
    _, secret = token_create(admin, name="t")
    answer = client.get(
        "/api/v1/model-comparisons?first=history-r5-dpo-average&second=history-r4-dpo-average",
        headers={"Authorization": f"Bearer {secret}"},
    ).json()
    assert f"{answer['answers']['overall']['value']:.3f}" in out.getvalue()
    with pytest.raises(CommandError, match="lists them"):
        call_command("compare_models", "nobody", "history-base")


def test_models_that_no_round_asked_both_are_asked_and_the_page_shows_how_far(
    page: Client, history: list[Round]
) -> None:
    first, second = named("r5-dpo-variant-1"), named("r4-dpo-average")
    url = reverse("models-compare")
    assert (
        "No evaluation has asked both" in page.get(url, {"a": first.name, "b": second.name}).content.decode()
    )
    asked = page.post(
        url,
        {
            "a": first.name,
            "b": second.name,
            "project": "history",
            "reward_model": "history-r5-reward-model-average",
            "num_prompts": "2",
        },
    )
    assert asked.status_code == 302
    comparison = ModelComparison.objects.get()
    program = comparison.program
    assert (program.state, program.queue, program.attempt) == ("queued", "sampling", 1)
    config = json.loads((Path(program.folder) / "run.json").read_text())
    assert config["policies"] == {"first": first.path, "second": second.path}
    assert len(Path(config["prompts"]).read_text().splitlines()) == 2
    Program.objects.filter(pk=program.pk).update(state="running", done=1, total=4)
    shown = page.get(reverse("model-comparison", args=[comparison.pk]))
    assert "1 of 4" in shown.content.decode()
    Program.objects.filter(pk=program.pk).update(state="failed", error="Give a smaller engine.max_model_len.")
    text = page.get(url, {"a": first.name, "b": second.name}).content.decode()
    assert "Give a smaller engine.max_model_len." in text
    # Asked for again, it is run again; then its answers are the page's.
    again = ask(history)
    assert (again.program.state, again.program_id != program.pk) == ("queued", True)
    assert ask(history) == again
    prompts = [json.loads(line) for line in Path(config["prompts"]).read_text().splitlines()]
    answers = [
        SampledAnswer(
            prompt_id=prompt["id"], domain="sums", policy=policy, sample=0, content=policy, reward=reward
        )
        for policy, reward in (("first", 1.0), ("second", 0.0))
        for prompt in prompts
    ]
    write_records(Path(again.program.folder).parent / "answers.jsonl", answers)
    Program.objects.filter(pk=again.program_id).update(state="finished")
    done = page.get(reverse("model-comparison", args=[again.pk])).content.decode()
    assert f"from=asked-{again.pk}" in done
    assert "100.0%" in page.get(url, {"a": first.name, "b": second.name}).content.decode()
    turned = page.get(url, {"a": second.name, "b": first.name, "from": f"asked-{again.pk}"}).content.decode()
    assert "0.0%" in turned and "By the reward model" in turned


def test_a_vanished_worker_loses_it_to_another_and_three_end_it(history: list[Round]) -> None:
    program = ask(history).program
    for number in range(1, MAX_LOST + 1):
        program.refresh_from_db()
        assert (program.state, program.attempt) == ("queued", number)
        claimed = program_claim(program.pk, number)
        assert claimed is not None
        assert program_claim(program.pk, number) is None
        model_comparisons_advance()  # its lease holds
        Program.objects.filter(pk=program.pk, state="running").update(lease_expires_at=timezone.now())
        model_comparisons_advance()
    program.refresh_from_db()
    assert (program.state, program.error) == ("failed", "Its worker vanished 3 times.")


def test_what_could_not_succeed_is_refused_in_a_sentence(
    page: Client, history: list[Round], admin: User
) -> None:
    policy, reward = named("r5-dpo-average"), named("r5-reward-model-average")
    for first, second, by, num, said in (
        (policy, policy, reward, 1, "two different"),
        (policy, reward, reward, 1, "answers nothing"),
        (policy, named("base"), policy, 1, "no reward model"),
        (policy, named("base"), reward, 0, "from 1"),
    ):
        with pytest.raises(Invalid, match=said):
            model_comparison_request(
                first, second, project=history[0].project, reward_model=by, num_prompts=num, actor=None
            )
    Prompt.objects.all().delete()
    with pytest.raises(Invalid, match="no held-out prompts"):
        ask(history)
    for query in ({"a": "nobody"}, {"round_a": "77", "round_b": "x"}):
        answer = page.get(reverse("models-compare"), query)
        assert answer.status_code == 404
    assert page.get(reverse("models-compare")).status_code == 200


def test_a_comparison_can_be_cancelled_once(history: list[Round], page: Client, admin: User) -> None:
    comparison = ask(history)
    page.post(reverse("model-comparison-cancel", args=[comparison.pk]))
    comparison.program.refresh_from_db()
    assert comparison.program.state == "cancelled"
    with pytest.raises(Exception, match="has ended"):
        model_comparison_cancel(comparison, actor=admin)
