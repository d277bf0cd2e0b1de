"""Sensitive projects: nothing for those who have not agreed, a cap a day, and a way out at any time."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEntry, User
from annotation.models import Assignment, Project
from annotation.services.opting import sensitive_opt
from tests.annotation.factories import Annotator, make_annotator, make_comparisons, make_project

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    made = make_project()
    Project.objects.update(sensitive=True, exposure_cap=2, support_text="Talk to **us**.")
    make_comparisons(made, 4)
    return Project.objects.get()


@pytest.fixture
def user(project: Project) -> User:
    return make_annotator(project)


def browser_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_nothing_is_handed_to_who_has_not_agreed(project: Project, user: User) -> None:
    refused = Annotator(user).call("POST", f"/projects/{project.slug}/next")
    assert refused.status == 403
    assert "agree to that on its page first" in refused.body["detail"]
    browser = browser_of(user)
    page = browser.get(f"/projects/{project.slug}/annotate/").content.decode()
    assert "I agree to see it" in page
    assert "Talk to <strong>us</strong>." in page
    assert "data-comparison" not in browser.post(f"/projects/{project.slug}/annotate/next/").content.decode()
    assert not Assignment.objects.exists()


def test_who_agrees_sees_it_until_the_cap_of_the_day(project: Project, user: User) -> None:
    browser = browser_of(user)
    path = f"/projects/{project.slug}/sensitive/"
    assert browser.post(path, {"decision": "in"}).status_code == 302
    person = Annotator(user)
    for _ in range(2):
        handed = person.next(project)
        assert person.next(project)["id"] == handed["id"], "what is in hand stays"
        assert person.judge(handed).status == 201
    refused = person.call("POST", f"/projects/{project.slug}/next")
    assert refused.status == 403
    assert "You have seen 2 of these today" in refused.body["detail"]
    shown = browser.post(f"/projects/{project.slug}/annotate/next/").content.decode()
    assert "That is all for now" in shown
    assert "Talk to <strong>us</strong>." in shown
    Assignment.objects.update(created_at=timezone.now() - timedelta(days=1))
    assert person.next(project) is not None


def test_who_opts_out_holds_nothing_and_is_handed_nothing(project: Project, user: User) -> None:
    sensitive_opt(project, user, agree=True)
    person, browser = Annotator(user), browser_of(user)
    handed = person.next(project)
    person.call("PUT", f"/comparisons/{handed['id']}/draft", {"comment": "so far"})
    shown = browser.post(f"/projects/{project.slug}/annotate/next/").content.decode()
    assert "data-sensitive" in shown
    assert shown.count(" inert") == 3, "the conversation and both answers"
    assert browser.post(f"/projects/{project.slug}/sensitive/", {"decision": "out"}).status_code == 302
    held = Assignment.objects.get()
    assert (held.state, held.draft["comment"]) == (Assignment.State.EXPIRED, "so far")
    assert person.call("POST", f"/projects/{project.slug}/next").status == 403
    actions = AuditEntry.objects.filter(action__startswith="membership.opt").order_by("pk")
    assert list(actions.values_list("action", flat=True)) == ["membership.opt_in", "membership.opt_out"]


def test_only_members_agree(project: Project) -> None:
    outsider = browser_of(make_annotator(make_project("other"), "outsider"))
    assert outsider.post(f"/projects/{project.slug}/sensitive/", {"decision": "in"}).status_code in (403, 404)
