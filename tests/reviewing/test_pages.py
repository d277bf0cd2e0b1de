"""The pages of document reviews as people use them, over HTTP."""

import json
from pathlib import Path

import pytest
from django.test import Client

from accounts.models import Role
from annotation.models import Membership, Project
from pretrain.curation.sifting import SiftRecipe
from reviewing.models import DocumentReview, Reading
from tests.annotation.factories import make_annotator, make_project
from tests.reviewing.factories import judge_all, make_review

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return make_project()


@pytest.fixture
def review(project: Project, tmp_path: Path) -> DocumentReview:
    return make_review(project, tmp_path, size=6)


def browser_of(project: Project, role: Role = Role.ANNOTATOR, name: str = "ann") -> Client:
    client = Client()
    client.force_login(make_annotator(project, name, role))
    return client


def read_path(review: DocumentReview, *more: object) -> str:
    return f"/projects/{review.project.slug}/documents/{review.pk}/read/" + "".join(
        f"{each}/" for each in more
    )


def test_what_the_filters_said_is_hidden_until_one_has_judged_and_asks(review: DocumentReview) -> None:
    browser = browser_of(review.project)
    filters = ("num_words", "ellipsis_lines", "below 100", "above 0.3")
    for _ in range(6):
        page = browser.get(read_path(review)).content.decode()
        assert not any(name in page for name in filters)
        document = Reading.objects.get(verdict="").document
        assert document.text[:40] in page
        answer = browser.post(
            read_path(review, document.pk), {"verdict": "drop", "reasons": ["spam", "garbled"]}
        )
        assert answer.status_code == 302
    reading = Reading.objects.order_by("-judged_at")[0]
    assert reading.reasons == ["garbled", "spam"]
    assert "All caught up" in browser.get(read_path(review)).content.decode()
    dropped = review.documents.filter(kept=False).first()
    assert dropped is not None
    Reading.objects.exclude(document=dropped).update(judged_at="2020-01-01T00:00Z")
    browser.post(read_path(review, dropped.pk, "reveal"))
    page = browser.get(read_path(review)).content.decode()
    assert "The filters dropped it:" in page and any(name in page for name in filters)


def test_a_request_sent_twice_counts_once_and_a_wrong_one_loses_nothing(review: DocumentReview) -> None:
    browser = browser_of(review.project)
    browser.get(read_path(review))
    document = Reading.objects.get().document
    for verdict in ("nonsense", "keep", "keep", "drop"):
        browser.post(read_path(review, document.pk), {"verdict": verdict})
    assert [reading.verdict for reading in Reading.objects.exclude(verdict="")] == ["keep"]
    browser.post(read_path(review, document.pk, "take-back"))
    assert str(document.text[:40]) in browser.get(read_path(review)).content.decode()


def test_the_home_page_leads_to_what_is_left_to_judge(review: DocumentReview) -> None:
    browser = browser_of(review.project)
    assert "<strong>6</strong> documents to judge" in browser.get("/").content.decode()
    review.is_open = False
    review.save()
    assert "documents to judge" not in browser.get("/").content.decode()


def test_an_admin_sees_results_takes_the_recipe_and_the_verdicts_and_closes_the_review(
    project: Project, tmp_path: Path
) -> None:
    review = make_review(project, tmp_path, size=200)
    base = f"/projects/{project.slug}/documents/"
    browser = browser_of(project, Role.ADMIN, "boss")
    assert "Nobody has judged a document yet" in browser.get(f"{base}{review.pk}/").content.decode()
    judge_all(review, [make_annotator(project)])
    page = browser.get(f"{base}{review.pk}/?cost=2").content.decode()
    assert "num_words" in page and 'class="chart chart-plot"' in page
    assert "first" in browser.get(base).content.decode()
    told = json.loads(browser.get(f"{base}{review.pk}/recipe.json").content)
    recipe = SiftRecipe.model_validate(told["recipe"])
    assert recipe.heuristics is not None
    (low,) = [rule.low for rule in recipe.heuristics.rules() if rule.measure == "num_words"]
    assert low is not None and 30 <= low <= 55
    lines = browser.get(f"{base}{review.pk}/labels.jsonl").getvalue().decode().splitlines()
    assert len(lines) == 200
    assert set(json.loads(lines[0])) == {"text", "label", "weight", "document"}
    assert browser.get(f"{base}{review.pk}/?cost=dear").status_code == 422
    browser.post(f"{base}{review.pk}/open/", {"open": "0"})
    review.refresh_from_db()
    assert not review.is_open


def test_hostile_texts_are_shown_as_text(review: DocumentReview) -> None:
    document = review.documents.all()[0]
    document.text = "<script>alert(1)</script>\x1b[2J\u202eevil"
    document.url = "javascript:alert(1)"
    document.save()
    page = browser_of(review.project).get(read_path(review)).content.decode()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;␛[2J⟦U+202E⟧evil" in page
    assert 'href="javascript' not in page


def test_sensitive_projects_ask_first_and_stop_after_a_days_share(review: DocumentReview) -> None:
    Project.objects.update(sensitive=True, exposure_cap=2)
    browser = browser_of(review.project)
    assert "I agree to see it" in browser.get(read_path(review)).content.decode()
    Membership.objects.update(opted_in_at="2026-01-01T00:00Z")
    for _ in range(2):
        browser.get(read_path(review))
        browser.post(read_path(review, Reading.objects.get(verdict="").document_id), {"verdict": "keep"})
    assert "enough for a day" in browser.get(read_path(review)).content.decode()
    Membership.objects.update(paused_at="2026-01-01T00:00Z")
    assert "is paused" in browser.get(read_path(review)).content.decode()
