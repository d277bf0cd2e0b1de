"""The reasons of a project: which there are, what a judgement may give, and how often each was given."""

import pytest
from django.test import Client

from accounts.models import Role
from annotation.figures.reason_counts import reason_counts
from annotation.models import Judgement, Project
from annotation.tags import TagProblem, tags_check, tags_read, tags_write
from tests.annotation.factories import Annotator, make_annotator, make_comparison, make_project

LINES = "right: It is right\nkind: It is kind: to all"


def test_tags_are_read_from_lines_and_written_as_lines() -> None:
    tags = tags_read(f"\n{LINES}\n  \n")
    assert tags == [
        {"value": "right", "label": "It is right"},
        {"value": "kind", "label": "It is kind: to all"},
    ]
    assert tags_write(tags) == LINES


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ("right", "has no colon"),
        ("Not Right: x", "cannot be a value"),
        ("right:", "a label of 1 to 60"),
        ("a: x\na: y", "there twice"),
        ("\n".join(f"r{number}: x" for number in range(31)), "at most 30"),
    ],
)
def test_a_wrong_line_is_refused_with_a_sentence(lines: str, problem: str) -> None:
    with pytest.raises(TagProblem, match=problem):
        tags_read(lines)


@pytest.mark.parametrize("tags", [None, "x", [1], [{"value": "a"}], [{"value": 1, "label": "x"}]])
def test_what_is_no_list_of_tags_is_refused(tags: object) -> None:
    with pytest.raises(TagProblem):
        tags_check(tags)


@pytest.mark.django_db
def test_a_judgement_may_give_the_projects_reasons_and_no_others() -> None:
    project = make_project()
    make_comparison(project, "?")
    annotator = Annotator(make_annotator(project))
    handed = annotator.next(project)
    refused = annotator.judge(handed, reasons=["correct", "pretty"])
    assert refused.status == 422
    assert "knows no reason 'pretty'" in refused.body["detail"]
    assert not Judgement.objects.exists()
    assert annotator.judge(handed, reasons=["correct"]).status == 201


@pytest.mark.django_db
def test_a_project_without_reasons_takes_any() -> None:
    project = make_project()
    Project.objects.update(reasons=[])
    make_comparison(project, "?")
    annotator = Annotator(make_annotator(project))
    assert annotator.judge(annotator.next(project), reasons=["pretty"]).status == 201
    assert reason_counts(Project.objects.get()) == [("pretty", 1)]


@pytest.mark.django_db
def test_an_admin_changes_the_reasons_and_the_report_counts_them(client: Client) -> None:
    project = make_project()
    client.force_login(make_annotator(project, "boss", Role.ADMIN))
    path = f"/projects/{project.slug}/settings/"
    form = client.get(path).context["form"]
    fields = {name: form[name].value() for name in form.fields}
    wrong = client.post(path, fields | {"reasons": "right"})
    assert wrong.status_code == 422
    assert "has no colon" in wrong.content.decode()
    assert client.post(path, fields | {"reasons": LINES}).status_code == 302
    assert tags_write(Project.objects.get().reasons) == LINES
    for _ in range(2):
        make_comparison(project, "?")
    annotator = Annotator(make_annotator(project))
    annotator.judge(annotator.next(project), reasons=["kind"])
    annotator.judge(annotator.next(project), reasons=[])
    assert reason_counts(Project.objects.get()) == [("It is kind: to all", 1), ("It is right", 0)]
    assert reason_counts(Project.objects.get(), 2) == [("It is right", 0), ("It is kind: to all", 0)]
    assert "It is kind: to all" in client.get(f"/projects/{project.slug}/reports/").content.decode()
