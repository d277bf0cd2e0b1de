"""The comparison page: what it brings along, and what it is given to show next."""

import pytest
from django.test import Client

from accounts.models import Role, User
from accounts.services import user_create
from annotation.models import Assignment, Project
from annotation.services import draft_save
from tests.annotation.factories import make_annotator, make_comparison, make_project

pytestmark = pytest.mark.django_db


def browser_of(user: User) -> Client:
    """A browser in which `user` is logged in."""
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def project() -> Project:
    return make_project(name="Helpful answers", guidelines="Be **kind**.")


@pytest.mark.parametrize("method", ["get", "post"])
def test_the_page_is_for_members_alone(project: Project, client: Client, method: str) -> None:
    path = f"/projects/{project.slug}/annotate/" + ("next/" if method == "post" else "")
    assert getattr(client, method)(path).status_code == 302
    assert getattr(browser_of(user_create(username="stranger")), method)(path).status_code == 404
    assert getattr(browser_of(make_annotator(project)), method)(path).status_code == 200
    assert getattr(browser_of(user_create(username="boss", role=Role.ADMIN)), method)(path).status_code == 200


def test_the_page_brings_the_comparison_in_hand_along(project: Project) -> None:
    make_comparison(project, "?")
    browser = browser_of(make_annotator(project))
    page = browser.get(f"/projects/{project.slug}/annotate/").content.decode()
    assert "Be <strong>kind</strong>." in page
    lease = f'data-lease="{Assignment.objects.get().lease}"'
    assert page.count(lease) == 1
    assert lease in browser.get(f"/projects/{project.slug}/annotate/").content.decode()
    assert "model-0" not in page


def test_a_page_fetched_on_a_guess_hands_out_nothing(project: Project) -> None:
    make_comparison(project, "?")
    browser = browser_of(make_annotator(project))
    headers = {"Sec-Purpose": "prefetch;prerender"}
    page = browser.get(f"/projects/{project.slug}/annotate/", headers=headers).content.decode()
    assert "data-lease" not in page
    assert not Assignment.objects.exists()


def test_the_next_comparison_is_rendered_with_its_draft_and_without_models(project: Project) -> None:
    make_comparison(project, "Which **one**?", answers=("the `first`", "the <b>second</b>"))
    annotator = make_annotator(project)
    browser = browser_of(annotator)
    path = f"/projects/{project.slug}/annotate/next/"
    shown = browser.post(path).content.decode()
    for part in ("Which <strong>one</strong>?", "the <code>first</code>", "the &lt;b&gt;second&lt;/b&gt;"):
        assert part in shown
    assert "model-0" not in shown
    assert "model-1" not in shown
    assignment = Assignment.objects.get()
    draft_save(
        comparison_id=assignment.comparison_id, annotator=annotator, draft={"comment": "so far </script>"}
    )
    again = browser.post(path).content.decode()
    assert str(assignment.lease) in again
    assert '"comment": "so far \\u003C/script\\u003E"' in again


def test_nothing_to_do_is_said(project: Project) -> None:
    shown = browser_of(make_annotator(project)).post(f"/projects/{project.slug}/annotate/next/")
    assert "All caught up" in shown.content.decode()
    assert "data-comparison" not in shown.content.decode()


def test_a_page_is_never_cached(project: Project) -> None:
    response = browser_of(make_annotator(project)).get(f"/projects/{project.slug}/annotate/")
    assert "no-store" in response["Cache-Control"]


def test_asking_by_get_is_refused(project: Project) -> None:
    browser = browser_of(make_annotator(project))
    assert browser.get(f"/projects/{project.slug}/annotate/next/").status_code == 405
