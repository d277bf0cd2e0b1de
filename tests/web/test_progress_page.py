"""The progress page: the round and its forecast, coverage of prompts, pay for admins alone."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEntry, Role
from annotation.figures.progress import coverage, round_progress, total_coverage, work_of_people
from annotation.models import Judgement, Project
from tests.annotation.factories import Annotator, make_annotator, make_comparisons, make_project

pytestmark = pytest.mark.django_db


def judged_project(*, days_ago: list[int]) -> Project:
    """A project with ten comparisons, of which one was judged on each of these days."""
    project = make_project()
    make_comparisons(project, 10)
    annotator = Annotator(make_annotator(project))
    for days in days_ago:
        reply = annotator.judge(annotator.next(project), seconds=90)
        Judgement.objects.filter(pk=reply.body["id"]).update(created_at=timezone.now() - timedelta(days=days))
    return project


def page_of(project: Project, role: Role) -> str:
    client = Client()
    client.force_login(make_annotator(project, name=role.value, role=role))
    answer = client.get(f"/projects/{project.slug}/progress/")
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_forecast_counts_whole_days_from_the_first_one_on() -> None:
    project = judged_project(days_ago=[4, 4, 2, 1, 0])
    progress = round_progress(project)
    assert (progress.done, progress.wanted, progress.remaining) == (5, 10, 5)
    assert progress.forecast is not None
    assert progress.forecast.per_day == 1.0  # 2, 0, 1, 1: today is not over yet
    assert progress.done_on == timezone.now().date() + timedelta(days=5)
    assert "judgements a day, the last is there about" in page_of(project, Role.REVIEWER)


def test_a_wish_beyond_the_comparisons_counts() -> None:
    project = judged_project(days_ago=[1])
    project.judgements_wanted = 30
    assert (round_progress(project).wanted, round_progress(project).forecast) == (30, None)


def test_coverage_counts_prompts_once() -> None:
    project = judged_project(days_ago=[0, 0, 0])
    (row,) = coverage(project)
    assert (row.num_prompts, row.num_judged, row.num_judgements) == (10, 3, 3)
    assert total_coverage([row]).share == 0.3


def test_only_admins_see_and_set_pay() -> None:
    project = judged_project(days_ago=[1, 0])
    (work,) = work_of_people(project)
    assert (work.num_judgements, work.active_seconds) == (2, 180)
    assert "What is wanted and paid" not in page_of(project, Role.REVIEWER)
    admin = Client()
    admin.force_login(make_annotator(project, name="boss", role=Role.ADMIN))
    plan = {
        "judgements_wanted": 20,
        "currency": "EUR",
        "pay_per_judgement": "0.40",
        "fair_pay_per_hour": "20",
    }
    answer = admin.post(f"/projects/{project.slug}/progress/", plan, follow=True)
    page = answer.content.decode()
    assert "0.80 EUR" in page and "16.00 EUR" in page and "below fair pay" in page
    assert AuditEntry.objects.get(action="project.update").data["changes"]["pay_per_judgement"] == [
        None,
        "0.40",
    ]
    refused = admin.post(f"/projects/{project.slug}/progress/", {**plan, "pay_per_judgement": "-1"})
    assert refused.status_code == 422


def test_an_empty_project_has_a_page() -> None:
    page = page_of(make_project(), Role.ADMIN)
    assert "nothing to judge in this round" in page and "No prompts for training yet" in page
