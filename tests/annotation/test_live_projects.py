"""Live projects: first prompts written or drawn, pairs made ahead of people, weights of the prompt set."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Role
from accounts.process_cache import process_cache
from annotation.models import Assignment, Comparison, PairRequest, Project, Prompt, Wait
from annotation.services import pair_run, stock_fill
from annotation.services.stock import projects_short
from tests.annotation.factories import Annotator, make_annotator, make_project
from tests.annotation.test_background_turns import Away, pairs
from tests.annotation.test_pairing import Models, echo, generate, make_prompts

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    process_cache.clear()
    made = make_project(overlap=2)
    Project.objects.filter(pk=made.pk).update(live=True, live_ahead=3)
    made.refresh_from_db()
    return made


@pytest.fixture
def annotator(project: Project) -> Annotator:
    return Annotator(make_annotator(project))


@pytest.fixture
def models(project: Project) -> Models:
    return Models(project, one=echo("one"), two=echo("two"))


def begin(annotator: Annotator, project: Project, **body: Any) -> Any:
    """Ask for a first pair."""
    return annotator.call("POST", f"/projects/{project.slug}/dialogs", {"key": "k", **body})


def test_a_first_prompt_of_ones_own_is_answered_and_joins_the_prompts(
    project: Project, annotator: Annotator, models: Models
) -> None:
    words = {"content": "Why is the sky blue?", "domain": "science", "language": "en"}
    asked = begin(annotator, project, **words)
    assert (asked.status, asked.body["turn"]) == (202, 0)
    assert begin(annotator, project, **words).body["id"] == asked.body["id"]
    pair_run(asked.body["id"], client_for=models.client_for)
    handed = annotator.next(project)
    assert handed["context"] == [{"role": "user", "content": "Why is the sky blue?"}]
    prompt = Prompt.objects.get()
    assert (prompt.domain, prompt.language, prompt.split) == ("science", "en", "train")
    comparison = Comparison.objects.get()
    assert (comparison.turn, comparison.needed) == (0, 2)
    other = Annotator(make_annotator(project, "bob"))
    assert other.next(project)["id"] == comparison.pk, "a second opinion, as on all others"


def test_a_prompt_is_drawn_from_the_set_and_another_one(
    project: Project, annotator: Annotator, models: Models
) -> None:
    make_prompts(project, 3)
    make_prompts(project, 3, split="holdout")
    draw = f"/projects/{project.slug}/prompts/draw"
    first = annotator.call("POST", draw, {}).body
    for _ in range(5):
        assert annotator.call("POST", draw, {"other_than": first["id"]}).body["id"] != first["id"]
    asked = begin(annotator, project, prompt=first["id"]).body
    assert begin(annotator, project, prompt=first["id"], key="other").body["id"] == asked["id"]
    pair_run(asked["id"], client_for=models.client_for)
    assert annotator.next(project)["context"] == first["context"]
    held_out = Prompt.objects.filter(split="holdout").latest("pk")
    assert begin(annotator, project, prompt=held_out.pk).status == 404


def test_first_prompts_are_refused_where_they_make_no_sense(project: Project, annotator: Annotator) -> None:
    assert begin(annotator, project, content="  ").status == 422
    assert annotator.call("POST", f"/projects/{project.slug}/prompts/draw", {}).status == 409
    Project.objects.update(live=False)
    assert begin(annotator, project, content="Why?").status == 403
    assert annotator.call("POST", f"/projects/{project.slug}/prompts/draw", {}).status == 403
    assert PairRequest.objects.count() == 0


def test_pairs_are_made_ahead_of_the_people_at_work(
    project: Project, annotator: Annotator, models: Models
) -> None:
    make_prompts(project, 20)
    assert projects_short() == [], "nobody is there"
    assert annotator.next(project) is None
    assert projects_short() == [project.pk]
    stock_fill(project.pk, client_for=models.client_for)
    assert Comparison.objects.count() == 3
    assert len(models.by_name["one"].contexts) == 3, "no answer is thrown away"
    handed = annotator.next(project)
    assert handed is not None
    other = Annotator(make_annotator(project, "bob"))
    assert other.next(project)["id"] == handed["id"]
    stock_fill(project.pk, client_for=models.client_for)
    assert Comparison.objects.count() == 1 + 2 * 3
    Assignment.objects.update(expires_at=timezone.now() - timedelta(hours=1))
    Wait.objects.update(since=None)
    assert projects_short() == [], "they went home"


def test_models_that_are_away_are_not_asked_for_the_stock_again_at_once(
    project: Project, annotator: Annotator, models: Models
) -> None:
    make_prompts(project, 5)
    annotator.next(project)
    stock_fill(project.pk, client_for=lambda deployment: Away())
    stock_fill(project.pk, client_for=models.client_for)
    assert Comparison.objects.count() == 0
    process_cache.clear()
    stock_fill(project.pk, client_for=models.client_for)
    assert Comparison.objects.count() == 3
    assert pairs(annotator, project) == []


def test_weights_from_the_page_decide_what_is_asked(project: Project, models: Models) -> None:
    make_prompts(project, 12)
    Prompt.objects.filter(external_id__in=["train-0", "train-1"]).update(domain="coding")
    admin = make_annotator(project, "boss", Role.ADMIN)
    client = Client()
    client.force_login(admin)
    path = f"/projects/{project.slug}/prompts/weights/"
    assert client.get(path).status_code == 200
    rows = {"domain": ["coding", "general"], "language": ["en", "en"]}
    for bad in (["-1", "1"], ["nan", "1"], ["many", "1"], ["0", "0"]):
        assert client.post(path, {**rows, "weight": bad}).status_code == 422
    assert client.post(path, {**rows, "weight": ["1", "0"]}).status_code == 302
    generate(project, models, 4)
    domains = Counter(each.dialog.prompt.domain for each in Comparison.objects.all())
    assert domains == {"coding": 4}
    assert b"100.0%" in client.get(path).content
    assert client.post(path, {**rows, "weight": ["1", "0"], "equal": "1"}).status_code == 302
    generate(project, models, 6)
    assert Comparison.objects.filter(dialog__prompt__domain="general").count() == 6
    client.force_login(make_annotator(project, "carl"))
    assert client.get(path).status_code == 403
