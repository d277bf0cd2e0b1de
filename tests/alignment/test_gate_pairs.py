"""A gate that people decide: pairs laid out blind, compared on the page, and what comes of it."""

import re
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import Settings

from accounts.models import AuditEntry, Role, User
from accounts.services import user_create
from alignment.models import GatePair, Round, Stage
from alignment.recipe import parse_recipe, tiny
from alignment.records import SampledAnswer
from alignment.stages import gate
from annotation.services import membership_set
from tests.alignment.evaluated import PROXY, write_evaluation
from tests.alignment.factories import make_round
from tests.alignment.sampling.factories import make_prompts

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("broker")]

NUM_PROMPTS = 9
ACCURACY = {"accuracy": 0.7, "low": 0.6, "high": 0.8, "num_pairs": 90, "by_strength": {}}
GATE_ID = 1_000_001


@pytest.fixture
def stage(settings: Settings, tmp_path: Path) -> Stage:
    """A gate that people decide, after an evaluation; the first prompt was answered alike."""
    settings.ACCORD_RUNS = tmp_path / "runs"
    recipe = {**tiny().model_dump(mode="json"), "gate": {"decided_by": "people", "num_prompts": 6}}
    round_ = make_round(recipe=parse_recipe(recipe).model_dump(mode="json"))
    prompts = make_prompts(NUM_PROMPTS)
    answers = [
        SampledAnswer(
            prompt_id=prompt.id,
            domain="sums",
            policy=policy,
            sample=sample,
            content="the same" if number == 0 else f"{word} {number}",
            reward=0.0,
        )
        for policy, word in (("candidate", "good"), ("previous", "middling"), ("base", "bad"))
        for number, prompt in enumerate(prompts)
        for sample in range(2)
    ]
    write_evaluation(round_, prompts, answers, [])
    win_rate = {"base": PROXY, "previous": PROXY}
    round_.stages.filter(name=Stage.Name.EVALUATION).update(
        result={"reward_model": ACCURACY, "win_rate": win_rate}
    )
    # Sides are drawn from the stage's id: with one in thirty-two all six would lie on one side.
    round_.stages.filter(name=Stage.Name.GATE).update(id=GATE_ID)
    return round_.stages.get(name=Stage.Name.GATE)


@pytest.fixture
def admin() -> User:
    """Who decides."""
    return user_create(username="lead", role=Role.ADMIN)


def wait_at(stage: Stage) -> bool:
    """Start the gate and see whether it opens, as the one who advances rounds does."""
    if not stage.result:
        gate.start(stage)
        stage.save()
    opened = gate.poll(stage)
    stage.save(update_fields=["state", "done", "total", "unit"])
    stage.refresh_from_db()
    return opened


def decide_all(page: Client, stage: Stage, better: str) -> int:
    """Choose the side where `better` stands, pair by pair on the page; how many there were."""
    number = 0
    while True:
        answer = page.get(reverse("gate-pairs", kwargs={"pk": stage.pk}))
        if answer.status_code == 302:
            return number
        text = answer.content.decode()
        left, right = re.findall(r"answer-body prose[^>]*>\s*(?:<p[^>]*>)?([^<]*)", text)
        verdict = "left" if left.startswith(better) else "right" if right.startswith(better) else "tie"
        (action,) = re.findall(r'action="(/pairs/\d+/)"', text)
        page.post(action, {"verdict": verdict})
        number += 1


def test_pairs_hide_who_wrote_what_and_lie_on_both_sides(stage: Stage, admin: User, client: Client) -> None:
    assert not wait_at(stage)
    assert stage.state == Stage.State.WAITING
    assert (stage.done, stage.total, stage.unit) == (1, 6, "pairs")
    pairs = list(stage.pairs.all())
    assert {pair.other for pair in pairs} == {"base"}
    assert len({pair.candidate_left for pair in pairs}) == 2
    client.force_login(admin)
    text = client.get(reverse("gate-pairs", kwargs={"pk": stage.pk})).content.decode()
    for name in ("candidate", "base", "previous"):
        assert name not in re.sub(r"<(head|script|link).*?>", "", text).lower().replace("database", ""), name
    gate.start(stage)  # again, after a crash
    assert list(stage.pairs.all()) == pairs


def test_the_gate_opens_when_people_prefer_the_candidate(stage: Stage, admin: User, client: Client) -> None:
    assert not wait_at(stage)
    client.force_login(admin)
    assert decide_all(client, stage, "good") == 5
    assert wait_at(stage)
    rate = Stage.objects.get(pk=stage.pk).result["by_people"]["base"]
    assert rate["comparisons"] == 6
    assert rate["value"] == pytest.approx(5.5 / 6)
    assert rate["low"] > 0.5
    decided = stage.pairs.exclude(decided_by=None)
    assert {pair.decided_by for pair in decided} == {admin}
    assert AuditEntry.objects.filter(action="gate.compare", actor=admin).count() == 5


def test_the_gate_stays_closed_when_people_do_not(stage: Stage, admin: User, client: Client) -> None:
    """The reward model's own win rate of 0.7 does not count."""
    assert not wait_at(stage)
    client.force_login(admin)
    decide_all(client, stage, "bad")
    assert not wait_at(stage)
    (problem,) = stage.result["problems"]
    assert "The win rate over the base by people is 0.083" in problem
    text = client.get(reverse("round", kwargs={"pk": stage.round_id})).content.decode()
    for shown in ("The gate is closed", "by people who saw pairs blind", "8.3%"):
        assert shown in text, shown
    client.post(
        reverse("gate-decide", kwargs={"pk": stage.pk}), {"decision": "override", "reason": "We know better."}
    )
    stage.refresh_from_db()
    assert wait_at(stage)
    assert stage.result["by_people"]["base"]["value"] < 0.1


def test_the_first_word_on_a_pair_counts(stage: Stage, admin: User, client: Client) -> None:
    wait_at(stage)
    pair = stage.pairs.filter(verdict="").first()
    assert pair is not None
    client.force_login(admin)
    url = reverse("gate-pair-decide", kwargs={"pk": pair.pk})
    assert "Choose left, right" in client.post(url, {"verdict": "both"}, follow=True).content.decode()
    client.post(url, {"verdict": "tie"})
    client.force_login(user_create(username="other", role=Role.ADMIN))
    assert "theirs is kept" in client.post(url, {"verdict": "left"}, follow=True).content.decode()
    pair.refresh_from_db()
    assert (pair.verdict, pair.decided_by) == (GatePair.Verdict.TIE, admin)


def test_the_round_page_leads_to_the_pairs_and_an_admin_may_end_the_round(
    stage: Stage, admin: User, client: Client
) -> None:
    wait_at(stage)
    client.force_login(admin)
    url = reverse("round", kwargs={"pk": stage.round_id})
    text = client.get(url).content.decode()
    assert "1 of 6 pairs of answers are compared" in text
    assert reverse("gate-pairs", kwargs={"pk": stage.pk}) in text
    client.post(reverse("gate-decide", kwargs={"pk": stage.pk}), {"decision": "reject"})
    assert "before all pairs were compared" in client.get(url).content.decode()
    assert Round.objects.get(pk=stage.round_id).state == Round.State.FAILED


def test_pairs_are_for_admins(stage: Stage, client: Client) -> None:
    wait_at(stage)
    annotator = user_create(username="ann", role=Role.ANNOTATOR)
    client.force_login(annotator)
    assert client.get(reverse("gate-pairs", kwargs={"pk": stage.pk})).status_code == 404
    membership_set(stage.round.project, annotator, Role.ANNOTATOR)
    assert client.get(reverse("gate-pairs", kwargs={"pk": stage.pk})).status_code == 403
    pair = stage.pairs.first()
    assert pair is not None
    url = reverse("gate-pair-decide", kwargs={"pk": pair.pk})
    assert client.post(url, {"verdict": "left"}).status_code == 403


def test_a_round_whose_own_reward_model_decides_says_so(stage: Stage) -> None:
    recipe = {**stage.round.recipe, "gate": {"decided_by": "proxy"}}
    Round.objects.filter(pk=stage.round_id).update(recipe=recipe)
    stage.round.refresh_from_db()
    assert wait_at(stage)
    assert "nobody outside has judged" in stage.result["note"]
