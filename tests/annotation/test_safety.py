"""What people say is unsafe in an answer: which categories there are, and what becomes of them."""

import json

import pytest
from django.test import Client

from accounts.models import Role
from annotation.exported import exported_records, judgements_matching
from annotation.figures.safety_counts import safety_counts
from annotation.filters import PreferenceFilter
from annotation.importing.accord import parse
from annotation.importing.preferences import Format, ReadRecord
from annotation.models import Judgement, Project
from annotation.services.preferences import preferences_import
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


def test_what_is_unsafe_goes_out_with_the_records_comes_back_and_is_a_filter() -> None:
    project, other = make_project(), make_project("other")
    annotator = Annotator(make_annotator(project))
    for question, flags in (("?", {"left": ["hate"], "right": ["violence", "hate"]}), ("!", {})):
        make_comparison(project, question)
        handed = annotator.next(project)
        annotator.judge(handed, question, preferred="right", safety=flags)
    records = list(exported_records(project))
    assert [response.safety for response in records[0].responses] == [("violence", "hate"), ("hate",)]
    assert "safety" not in records[1].model_dump_json()

    def num(**chosen: object) -> int:
        return judgements_matching(project, PreferenceFilter.model_validate(chosen)).count()

    assert [num(safety=["violence"]), num(safety=["self-harm", "hate"]), num(safety=["x"])] == [1, 1, 0]
    assert [num(safe_only=True), num()] == [1, 2]

    lines = [record.model_dump_json() for record in records]
    preferences_import(
        other, (ReadRecord(line=1, format=Format.ACCORD, record=parse(json.loads(line))) for line in lines)
    )
    back = [
        record.model_copy(update={"id": old.id})
        for record, old in zip(exported_records(other), records, strict=True)
    ]
    assert back == records
