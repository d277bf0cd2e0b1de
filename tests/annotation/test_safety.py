"""What people say is unsafe in an answer: which categories there are, and what becomes of them."""

import pytest
from django.test import Client

from accounts.models import Role
from annotation.figures.safety_counts import safety_counts
from annotation.models import Judgement, Project
from tests.annotation.factories import Annotator, make_annotator, make_comparison, make_project

pytestmark = pytest.mark.django_db


def test_a_judgement_says_what_is_unsafe_in_each_answer_and_the_report_counts_it(client: Client) -> None:
    project = make_project()
    make_comparison(project, "?")
    annotator = Annotator(make_annotator(project))
    handed = annotator.next(project)
    flags = {"left": ["violence", "hate", "violence"], "right": ["violence"]}
    reply = annotator.judge(handed, "once", safety=flags)
    assert (reply.status, reply.body["safety"]) == (
        201,
        {"left": ["violence", "hate"], "right": ["violence"]},
    )
    assert annotator.judge(handed, "once", safety=flags).body == reply.body
    assert safety_counts(project)[:2] == [("Violence or weapons", 2), ("Hate or harassment", 1)]
    assert safety_counts(project, 2) == []
    client.force_login(make_annotator(project, "boss", Role.ADMIN))
    page = client.get(f"/projects/{project.slug}/reports/").content.decode()
    assert "Unsafe answers by category" in page


def test_a_safe_pair_keeps_nothing_and_old_clients_say_nothing() -> None:
    project = make_project()
    make_comparison(project, "?")
    annotator = Annotator(make_annotator(project))
    reply = annotator.judge(annotator.next(project))
    assert reply.body["safety"] == {"left": [], "right": []}
    assert Judgement.objects.get().safety == {}


@pytest.mark.parametrize(
    ("categories", "sentence"),
    [([{"value": "rude", "label": "Rude"}], "knows no safety category 'violence'"), ([], "does not ask")],
)
def test_what_the_project_does_not_know_is_refused_and_nothing_is_lost(
    categories: list[dict[str, str]], sentence: str
) -> None:
    project = make_project()
    Project.objects.update(safety_categories=categories)
    make_comparison(project, "?")
    annotator = Annotator(make_annotator(project))
    handed = annotator.next(project)
    draft = {"safety": {"right": ["violence"]}, "comment": "look"}
    assert annotator.call("PUT", f"/comparisons/{handed['id']}/draft", draft).status == 200
    refused = annotator.judge(handed, safety=draft["safety"])
    assert refused.status == 422
    assert sentence in refused.body["detail"]
    assert annotator.next(project)["draft"]["safety"] == {"left": [], "right": ["violence"]}
    assert not Judgement.objects.exists()


def test_a_project_without_categories_does_not_ask(client: Client) -> None:
    project = make_project()
    make_comparison(project, "?")
    client.force_login(make_annotator(project))
    path = f"/projects/{project.slug}/annotate/next/"
    assert "Violence or weapons" in client.post(path).content.decode()
    Project.objects.update(safety_categories=[])
    assert "safety-left" not in client.post(path).content.decode()
