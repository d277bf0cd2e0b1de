"""Guidelines: their versions, who has read which, and the examples under them."""

from typing import Any

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.test import Client

from accounts.models import AuditEntry, Role, User
from annotation.models import GuidelineExample, GuidelinesVersion, Judgement, Membership, Project
from annotation.services import membership_set
from annotation.services.administration import project_update
from tests.annotation.factories import Annotator, make_annotator, make_comparison, make_project

pytestmark = pytest.mark.django_db

EXAMPLE = {
    "prompt": "What is 7 × 8?",
    "left": "56",
    "right": "<script>alert(1)</script> It is **54**.",
    "preferred": "left",
    "strength": "better",
    "why": "The right one is *wrong*.",
    "position": "0",
    "active": "on",
}


def browser(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def changed(project: Project, text: str) -> Project:
    boss = User.objects.filter(username="boss").first() or make_annotator(project, "boss", Role.ADMIN)
    return project_update(project, actor=boss, guidelines=text)


def test_every_change_of_the_guidelines_is_a_version_and_nothing_else_is() -> None:
    project = make_project(guidelines="Be kind.")
    project = changed(project, "Be kind and right.")
    project = project_update(project, actor=User.objects.get(username="boss"), guidelines=project.guidelines)
    project = project_update(project, actor=User.objects.get(username="boss"), name="Kinder")
    assert project.guidelines_number == 2
    versions = GuidelinesVersion.objects.order_by("number").values_list(
        "number", "text", "created_by__username"
    )
    assert list(versions) == [(1, "Be kind.", None), (2, "Be kind and right.", "boss")]
    assert make_project("silent").guidelines_number == 0


def test_a_judgement_keeps_the_version_in_force() -> None:
    project = make_project(guidelines="Be kind.")
    make_comparison(project, "one")
    make_comparison(project, "two")
    annotator = Annotator(make_annotator(project))
    assert annotator.judge(annotator.next(project)).status == 201
    project = changed(project, "Be right.")
    assert annotator.judge(annotator.next(project)).status == 201
    assert list(Judgement.objects.order_by("pk").values_list("guidelines", flat=True)) == [1, 2]


def test_a_person_sees_what_changed_until_they_have_opened_it() -> None:
    project = make_project(guidelines="Be kind.")
    user = make_annotator(project)
    client, path = browser(user), f"/projects/{project.slug}/guidelines/"
    assert "data-changed" not in client.get(path).content.decode()
    changed(project, "Be kind and right.")
    assert client.get(path).context["before"] == "Be kind."
    assert "data-changed" in client.get(f"/projects/{project.slug}/annotate/").content.decode()
    for wrong in ("", "x", "-1", "9" * 40):
        assert client.post(f"{path}read/", {"number": wrong}).status_code == 422
    for _ in range(2):
        assert client.post(f"{path}read/", {"number": "2"}).status_code == 204
    assert client.post(f"{path}read/", {"number": "1"}).status_code == 204
    assert Membership.objects.get(user=user).guidelines_read == 2
    assert AuditEntry.objects.filter(action="guidelines.read").count() == 1
    assert "data-changed" not in client.get(path).content.decode()


def test_who_comes_later_has_nothing_to_catch_up_with_and_a_new_role_changes_nothing() -> None:
    project = changed(make_project(guidelines="Be kind."), "Be right.")
    user = make_annotator(project)
    project = changed(project, "Be both.")
    membership_set(project, user, Role.REVIEWER)
    assert Membership.objects.get(user=user).guidelines_read == 2


def test_admins_read_the_history_with_what_changed() -> None:
    project = make_project(guidelines="Be kind.")
    changed(project, "Be right.")
    page = browser(User.objects.get(username="boss")).get(f"/projects/{project.slug}/guidelines/history/")
    assert [(version.number, texts) for version, texts in page.context["versions"]] == [
        (2, {"before": "Be kind.", "after": "Be right."}),
        (1, {"before": "", "after": "Be kind."}),
    ]


def test_an_admin_writes_changes_and_deletes_an_example_and_people_see_it_sanitised() -> None:
    project = make_project()
    path = f"/projects/{project.slug}/guidelines/"
    boss = browser(make_annotator(project, "boss", Role.ADMIN))
    reader = browser(make_annotator(project))
    refused = boss.post(f"{path}examples/", {**EXAMPLE, "why": ""})
    assert (refused.status_code, GuidelineExample.objects.count()) == (422, 0)
    assert "What is 7" in refused.content.decode()
    assert boss.post(f"{path}examples/", EXAMPLE).status_code == 302
    shown = reader.get(path).content.decode()
    assert "<strong>54</strong>" in shown
    assert "<script>alert" not in shown
    example = GuidelineExample.objects.get()
    own = f"{path}examples/{example.pk}/"
    hidden: dict[str, Any] = {**EXAMPLE, "why": "Sums."}
    del hidden["active"]
    assert boss.post(own, hidden).status_code == 302
    assert "What is 7" not in reader.get(path).content.decode()
    assert boss.post(f"{own}delete/").status_code == 302
    assert not GuidelineExample.objects.exists()
    actions = AuditEntry.objects.filter(action__startswith="guideline_example").order_by("pk")
    assert [entry.action.split(".")[1] for entry in actions] == ["create", "update", "delete"]


def test_what_one_writes_is_shown_before_it_is_saved() -> None:
    project = make_project()
    boss = browser(make_annotator(project, "boss", Role.ADMIN))
    answer = boss.post(
        f"/projects/{project.slug}/guidelines/examples/",
        {"prompt": "Why?", "right": "**Because**"},
        headers={"HX-Request": "true"},
    )
    assert answer.status_code == 200
    assert "<strong>Because</strong>" in answer.content.decode()
    assert not GuidelineExample.objects.exists()


def test_examples_of_a_sensitive_project_are_for_those_who_agreed() -> None:
    project = make_project()
    Project.objects.update(sensitive=True)
    fields = {**EXAMPLE, "position": 0, "active": True}
    GuidelineExample.objects.create(project=project, **fields)
    user = make_annotator(project)
    path = f"/projects/{project.slug}/guidelines/"
    assert "What is 7" not in browser(user).get(path).content.decode()
    assert browser(user).post(f"/projects/{project.slug}/sensitive/", {"decision": "in"}).status_code == 302
    assert "What is 7" in browser(user).get(path).content.decode()


def test_an_example_of_another_project_is_not_there() -> None:
    project, other = make_project(), make_project("other")
    example = GuidelineExample.objects.create(project=other, **{**EXAMPLE, "position": 0, "active": True})
    boss = browser(make_annotator(project, "boss", Role.ADMIN))
    assert boss.get(f"/projects/{project.slug}/guidelines/examples/{example.pk}/").status_code == 404


@pytest.mark.django_db(transaction=True)
def test_guidelines_of_before_become_a_first_version_that_everybody_has_read() -> None:
    project = make_project(guidelines="Be kind.")
    make_annotator(project)
    make_project("silent")
    executor = MigrationExecutor(connection)
    latest = executor.loader.graph.leaf_nodes()
    own = next(key for key in executor.loader.disk_migrations if key[1].endswith("_guidelines"))
    before = executor.loader.graph.node_map[own].parents
    executor.migrate([parent.key for parent in before if parent.key[0] == "annotation"])
    MigrationExecutor(connection).migrate(latest)
    assert list(GuidelinesVersion.objects.values_list("project__slug", "number", "text")) == [
        ("helpful", 1, "Be kind.")
    ]
    assert dict(Project.objects.values_list("slug", "guidelines_number")) == {"helpful": 1, "silent": 0}
    assert Membership.objects.get().guidelines_read == 1
