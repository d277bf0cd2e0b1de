"""Round pages through HTTP: who may see them, what they show, and what their buttons do."""

import json
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEntry, Role, User
from accounts.services import user_create
from alignment.models import Program, Round, Stage
from tests.alignment.factories import make_program, make_round

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("broker")]


@pytest.fixture
def admin() -> User:
    """Who launches rounds."""
    return user_create(username="lead", role=Role.ADMIN)


@pytest.fixture
def page(client: Client, admin: User) -> Client:
    """The admin's browser."""
    client.force_login(admin)
    return client


def test_rounds_are_for_admins(client: Client) -> None:
    assert client.get(reverse("rounds")).status_code == 302
    client.force_login(user_create(username="ann", role=Role.ANNOTATOR))
    assert client.get(reverse("rounds")).status_code == 403
    assert client.get(reverse("round", kwargs={"pk": make_round().pk})).status_code == 404


def test_the_list_shows_each_round_with_its_state(page: Client) -> None:
    round_ = make_round()
    text = page.get(reverse("rounds")).content.decode()
    assert f"{round_.project.name}, round 1" in text
    assert round_.base.name in text


def test_a_round_page_shows_every_stage_and_the_whole_recipe(page: Client) -> None:
    text = page.get(reverse("round", kwargs={"pk": make_round().pk})).content.decode()
    for name in ("Collect", "Snapshot", "Reward model", "Rejection sampling", "Sft", "Dpo", "Gate", "Deploy"):
        assert name.lower() in text.lower(), name
    assert "nll_coefficient" in text


def test_a_failed_stage_shows_its_error_and_can_be_retried_from_its_page(page: Client) -> None:
    round_ = make_round()
    stage = round_.stages.get(name=Stage.Name.SFT)
    round_.stages.filter(position__lt=stage.position).update(state=Stage.State.FINISHED)
    Stage.objects.filter(pk=stage.pk).update(state=Stage.State.FAILED, error="Raise max_tokens.")
    Round.objects.filter(pk=round_.pk).update(state=Round.State.FAILED)
    url = reverse("round", kwargs={"pk": round_.pk})
    assert "Raise max_tokens." in page.get(url).content.decode()
    assert page.post(reverse("stage-retry", kwargs={"pk": stage.pk})).status_code == 302
    stage.refresh_from_db()
    assert stage.state == Stage.State.PENDING
    assert AuditEntry.objects.filter(action="round.retry").exists()


def test_a_closed_gate_is_opened_only_with_a_reason_that_is_kept(page: Client) -> None:
    round_ = make_round()
    gate = round_.stages.get(name=Stage.Name.GATE)
    Stage.objects.filter(pk=gate.pk).update(
        state=Stage.State.WAITING, result={"problems": ["The round did not help."]}
    )
    url = reverse("gate-decide", kwargs={"pk": gate.pk})
    assert "The round did not help." in page.get(reverse("round", kwargs={"pk": round_.pk})).content.decode()
    page.post(url, {"decision": "override", "reason": " "})
    gate.refresh_from_db()
    assert "override" not in gate.result
    page.post(url, {"decision": "override", "reason": "A person read the answers."})
    gate.refresh_from_db()
    assert gate.result["override"] == {"by": "lead", "reason": "A person read the answers."}


def test_a_launch_that_could_not_succeed_is_refused_in_one_sentence(page: Client) -> None:
    round_ = make_round()
    Round.objects.filter(pk=round_.pk).update(state=Round.State.FINISHED)
    answer = page.post(
        reverse("round-new"),
        {"project": round_.project.slug, "base": round_.base.name, "recipe_name": "tiny"},
    )
    assert answer.status_code == 422
    assert "cannot be a base" in answer.content.decode()


def test_a_judge_that_is_not_deployed_is_refused_before_any_work(page: Client) -> None:
    round_ = make_round()
    recipe = {**round_.recipe, "quality": {"judge": {"deployment": "wise"}}}
    answer = page.post(
        reverse("round-new"),
        {
            "project": round_.project.slug,
            "base": round_.base.name,
            "recipe_name": "tiny",
            "recipe_json": json.dumps(recipe),
        },
    )
    assert answer.status_code == 422
    assert "There is no live deployment" in answer.content.decode()


def test_a_recipe_with_one_candidate_is_refused(page: Client) -> None:
    round_ = make_round()
    recipe = {**round_.recipe, "rejection": {**round_.recipe["rejection"], "num_candidates": 1}}
    answer = page.post(
        reverse("round-new"),
        {
            "project": round_.project.slug,
            "base": round_.base.name,
            "recipe_name": "tiny",
            "recipe_json": json.dumps(recipe),
        },
    )
    assert answer.status_code == 422
    assert "num_candidates cannot be 1" in answer.content.decode()


def test_a_program_page_shows_curve_samples_log_and_result(page: Client, tmp_path: Path) -> None:
    program = make_program(tmp_path, "finish", state=Program.State.FINISHED)
    (tmp_path / "log.txt").write_text("it was a long day <script>")
    (tmp_path / "metrics.jsonl").write_text(
        '{"kind": "metrics", "step": 1, "loss": 0.7}\n{"kind": "metrics", "step": 2, "loss": 0.5}\n'
        '{"kind": "sample", "prompt": "Why?", "response": "Because.", "reward": 1.5}\n{"cut o'
    )
    text = page.get(reverse("program", kwargs={"pk": program.pk})).content.decode()
    assert "it was a long day &lt;script&gt;" in text
    assert "program-0: 0.5" in text
    assert "Because." in text


def test_the_part_that_changes_says_what_it_is_and_when_to_ask_for_it(page: Client, tmp_path: Path) -> None:
    round_ = make_round()
    url = reverse("round", kwargs={"pk": round_.pk})
    part = page.get(url, headers={"HX-Request": "true"}).content.decode()
    assert f'data-topics="round:{round_.pk}"' in part
    assert "<html" not in part
    # A worker that is killed sends no event: only while one should be at work pages ask by themselves.
    assert "data-again" not in part
    stage = round_.stages.get(name=Stage.Name.DPO)
    Stage.objects.filter(pk=stage.pk).update(state=Stage.State.RUNNING)
    make_program(tmp_path, "finish", state=Program.State.RUNNING, stage=stage)
    assert "data-again" in page.get(url).content.decode()
    Round.objects.filter(pk=round_.pk).update(state=Round.State.FINISHED)
    assert "data-again" not in page.get(url).content.decode()


def test_the_funnel_of_the_examples_is_shown_with_samples_and_reasons(page: Client, tmp_path: Path) -> None:
    round_ = make_round()
    stage = round_.stages.get(name=Stage.Name.SFT)
    program = make_program(tmp_path, "finish", state=Program.State.FINISHED, stage=stage)
    samples = [{"reason": "empty", "detail": "", "prompt": "Why <b>?", "response": " "}]
    steps = [
        {"name": "form", "num_in": 1830, "num_kept": 1812, "dropped": {"empty": 18}, "samples": samples},
        {"name": "quality", "num_in": 1812, "num_kept": 1812, "dropped": {}, "samples": []},
    ]
    Program.objects.filter(pk=program.pk).update(
        name="quality", result={"steps": steps, "left_out": ["No judge is named."], "sources": {}}
    )
    text = page.get(reverse("round", kwargs={"pk": round_.pk})).content.decode()
    for shown in ("All answers", "1,830", "1,812", "Form: 18 empty", "Why &lt;b&gt;?", "No judge is named."):
        assert shown in text, shown
    assert "Quality: " not in text


def test_what_more_candidates_gained_is_shown_in_their_order(page: Client) -> None:
    round_ = make_round()
    url = reverse("round", kwargs={"pk": round_.pk})
    assert "Best of K" not in page.get(url).content.decode()
    result = {
        "num_prompts": 1200,
        "num_tokens": 96_000,
        "share_above_median": 0.975,
        "reward_by_k": {"1": -0.5, "10": 1.25, "2": 0.25},
    }
    round_.stages.filter(name=Stage.Name.REJECTION_SAMPLING).update(result=result)
    text = page.get(url).content.decode()
    assert text.index("K = 1: -0.500") < text.index("K = 2: 0.250") < text.index("K = 10: 1.250")
    for shown in ("1,200 prompts", "97.5% of prompts", "<dd>80</dd>"):
        assert shown in text, shown


def test_what_each_domain_gained_and_cost_is_shown_and_what_no_prompt_has(
    page: Client, tmp_path: Path
) -> None:
    round_ = make_round()
    coding = {
        "num_prompts": 100,
        "num_chosen": 90,
        "num_tokens": 9_000,
        "seconds": 45.0,
        "share_above_median": 0.5,
        "reward_by_k": {"1": 0.125, "2": 0.75},
    }
    nothing = {**coding, "num_chosen": 0, "share_above_median": None, "reward_by_k": {}}
    result = {
        **coding,
        "num_refused": {"language": 1234},
        "domains": {"coding": coding, "poems": nothing},
        "policies": {"newest": 60, "coder": 140},
        "system_prompts": {"terse": 20},
        "unmatched_domains": ["codign"],
    }
    round_.stages.filter(name=Stage.Name.REJECTION_SAMPLING).update(result=result)
    url = reverse("round", kwargs={"pk": round_.pk})
    text = page.get(url).content.decode()
    for shown in (
        "no prompt of this round has: codign.",
        "1,234 in another language",
        "coder 140, newest 60",
        "terse 20",
        "<dt>Chosen</dt><dd>90 answers</dd>",
        "<dd>10, all of theirs refused</dd>",
        "<dd>0.50 s of a worker</dd>",
        '<td class="num">0.125</td>',
        '<td class="num">0.750</td>',
    ):
        assert shown in text, shown
    stage = round_.stages.get(name=Stage.Name.SFT)
    program = make_program(tmp_path, "finish", state=Program.State.FINISHED, stage=stage)
    quality = {"steps": [{"name": "form", "num_in": 9, "num_kept": 9, "dropped": {}, "samples": []}]}
    Program.objects.filter(pk=program.pk).update(
        name="quality", result={**quality, "left_out": [], "sampled_domains": {"coding": 45}}
    )
    text = page.get(url).content.decode()
    for shown in ("Kept by quality control", "<dd>200</dd>", "<dd>1.00 s of a worker</dd>"):
        assert shown in text, shown


def test_what_the_judge_and_the_topic_head_found_is_shown(page: Client, tmp_path: Path) -> None:
    round_ = make_round()
    stage = round_.stages.get(name=Stage.Name.SFT)
    program = make_program(tmp_path, "finish", state=Program.State.FINISHED, stage=stage)
    result = {
        "steps": [{"name": "form", "num_in": 9, "num_kept": 9, "dropped": {}, "samples": []}],
        "left_out": [],
        "judge": {"num_judged": 1234, "num_unusable": 0, "mean_quality": 0.75, "mean_difficulty": 0.5},
        "topics": {
            "num_labelled": 321,
            "coarse": {"accuracy": 0.875, "low": 0.8, "high": 0.93, "num_prompts": 64},
            "counts": [{"name": "mathematics", "number": 7, "fine": {"geometry": 5, "sums": 2}}],
        },
    }
    Program.objects.filter(pk=program.pk).update(name="quality", result=result)
    text = page.get(reverse("round", kwargs={"pk": round_.pk})).content.decode()
    for shown in (
        "1,234 examples",
        "75.0% of full marks",
        "Mathematics",
        "geometry 5, sums 2",
        "321 labelled",
        "87.5%",
    ):
        assert shown in text, shown


def test_a_round_without_quality_control_shows_no_funnel(page: Client) -> None:
    text = page.get(reverse("round", kwargs={"pk": make_round().pk})).content.decode()
    assert "Quality of the SFT examples" not in text
