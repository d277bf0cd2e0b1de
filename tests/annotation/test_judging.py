"""Judgements through the HTTP API: what is written, and what is refused."""

import uuid
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import AuditEntry
from accounts.services import user_create
from annotation.models import Comparison, Edit, Judgement
from tests.annotation.factories import (
    Annotator,
    lease_end,
    make_annotator,
    make_comparison,
    make_comparisons,
    make_project,
)

pytestmark = pytest.mark.django_db


def test_a_judgement_is_written_with_its_edit_and_an_audit_row() -> None:
    project = make_project()
    make_comparison(project, "Why?")
    annotator = Annotator(make_annotator(project))
    handed = annotator.next(project)
    reply = annotator.judge(
        handed,
        preferred="right",
        strength="significantly_better",
        edited="a better answer",
        reasons=["correct"],
        comment="short",
        seconds=12.5,
    )
    assert reply.status == 201
    judgement = Judgement.objects.get()
    assert reply.body["id"] == judgement.pk
    assert (judgement.preferred, judgement.strength, judgement.seconds) == (
        "right",
        "significantly_better",
        12.5,
    )
    assert judgement.edit.content == reply.body["edited"] == "a better answer"
    comparison = Comparison.objects.get()
    assert (comparison.state, comparison.num_judgements) == ("full", 1)
    assert AuditEntry.objects.filter(action="judgement.submit", subject_id=str(judgement.pk)).count() == 1


def test_the_same_key_again_is_the_same_judgement() -> None:
    project = make_project()
    make_comparison(project, "Why?")
    annotator = Annotator(make_annotator(project))
    handed = annotator.next(project)
    first = annotator.judge(handed, key="k", edited="edited")
    again = annotator.judge(handed, key="k", edited="edited", preferred="right")
    assert (first.status, again.status) == (201, 200)
    assert again.body == first.body
    assert Judgement.objects.count() == Edit.objects.count() == 1


def test_another_key_for_a_judged_comparison_is_refused() -> None:
    project = make_project()
    make_comparison(project, "Why?")
    annotator = Annotator(make_annotator(project))
    handed = annotator.next(project)
    annotator.judge(handed)
    assert annotator.judge(handed).status == 409


def test_a_key_used_for_another_comparison_is_refused() -> None:
    project = make_project()
    make_comparisons(project, 2)
    annotator = Annotator(make_annotator(project))
    assert annotator.judge(annotator.next(project), key="k").status == 201
    second = annotator.next(project)
    assert annotator.judge(second, key="k").status == 409
    assert annotator.judge(second, key="l").status == 201


def test_two_people_may_use_the_same_key() -> None:
    project = make_project()
    make_comparisons(project, 2)
    people = [Annotator(make_annotator(project, name)) for name in ("ann", "bob")]
    assert [person.judge(person.next(project), key="1").status for person in people] == [201, 201]


def test_who_was_not_handed_the_comparison_is_refused() -> None:
    project = make_project()
    make_comparison(project, "Why?")
    handed = Annotator(make_annotator(project, "ann")).next(project)
    reply = Annotator(make_annotator(project, "bob")).judge(handed)
    assert reply.status == 403
    assert "not assigned to you" in reply.body["detail"]


def test_another_lease_is_refused() -> None:
    project = make_project()
    make_comparison(project, "Why?")
    annotator = Annotator(make_annotator(project))
    handed = annotator.next(project)
    assert annotator.judge(handed, lease=str(uuid.uuid4())).status == 403


def test_a_full_comparison_is_refused() -> None:
    project = make_project(lease_seconds=600)
    make_comparison(project, "Why?")
    late, quick = (Annotator(make_annotator(project, name)) for name in ("late", "quick"))
    handed = late.next(project)
    lease_end(late)
    assert quick.judge(quick.next(project)).status == 201
    reply = late.judge(handed)
    assert (reply.status, "full" in reply.body["detail"]) == (409, True)


def test_a_lease_that_ran_out_is_accepted_while_nobody_else_holds_the_comparison() -> None:
    project = make_project()
    make_comparison(project, "Why?")
    annotator = Annotator(make_annotator(project))
    handed = annotator.next(project)
    lease_end(annotator, seconds_ago=3600)
    assert annotator.judge(handed).status == 201


def test_a_lease_that_ran_out_gives_way_to_who_holds_the_comparison_now() -> None:
    project = make_project()
    make_comparison(project, "Why?")
    late, quick = (Annotator(make_annotator(project, name)) for name in ("late", "quick"))
    handed = late.next(project)
    lease_end(late)
    now_theirs = quick.next(project)
    assert now_theirs["id"] == handed["id"]
    assert late.judge(handed).status == 409
    assert quick.judge(now_theirs).status == 201


GOOD = {"preferred": "left", "strength": "better"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"preferred": "both"},
        {"preferred": None},
        {"strength": "much_better"},
        {"strength": 3},
        {"lease": "not-a-uuid"},
        {"edited": "   "},
        {"edited": "an answer"},
        {"edited": "nul \0"},
        {"edited": "broken \ud800"},
        {"edited": "x" * 100_001},
        {"comment": None},
        {"comment": "nul \0"},
        {"reasons": "true"},
        {"reasons": [""]},
        {"reasons": ["r"] * 51},
        {"seconds": -1},
        {"seconds": "soon"},
        {"seconds": float("nan")},
        {"seconds": float("inf")},
        {"misspelt": 1},
    ],
)
def test_bad_values_are_refused(wrong: dict[str, Any]) -> None:
    project = make_project()
    make_comparison(project, "Why?")
    annotator = Annotator(make_annotator(project))
    handed = annotator.next(project)
    reply = annotator.judge(handed, **wrong)
    assert reply.status == 422, reply
    assert not Judgement.objects.exists()
    assert annotator.judge(handed).status == 201


@pytest.mark.parametrize("body", ["", "{", "[]", "null", '"x"', "{}", '{"lease": 1}'])
def test_a_body_that_is_no_judgement_is_refused(body: str) -> None:
    project = make_project()
    make_comparison(project, "Why?")
    annotator = Annotator(make_annotator(project))
    handed = annotator.next(project)
    reply = annotator.call("POST", f"/comparisons/{handed['id']}/judgement", body, Idempotency_Key="k")
    assert reply.status in (400, 422), reply


@pytest.mark.parametrize("key", [None, "", "x" * 256])
def test_a_missing_or_endless_key_is_refused(key: str | None) -> None:
    project = make_project()
    make_comparison(project, "Why?")
    annotator = Annotator(make_annotator(project))
    handed = annotator.next(project)
    headers = {} if key is None else {"Idempotency_Key": key}
    body = {"lease": handed["lease"], **GOOD}
    reply = annotator.call("POST", f"/comparisons/{handed['id']}/judgement", body, **headers)
    assert reply.status == 422


def test_an_edit_that_changes_nothing_is_none() -> None:
    project = make_project()
    make_comparison(project, "Why?")
    annotator = Annotator(make_annotator(project))
    reply = annotator.judge(annotator.next(project), edited="a long answer \n")
    assert (reply.status, reply.body["edited"]) == (201, None)
    assert not Edit.objects.exists()


@pytest.mark.parametrize("comparison_id", ["0", "-1", "999999", "9223372036854775808", "x"])
def test_a_comparison_that_is_not_there(comparison_id: str) -> None:
    project = make_project()
    annotator = Annotator(make_annotator(project))
    body = {"lease": str(uuid.uuid4()), **GOOD}
    reply = annotator.call("POST", f"/comparisons/{comparison_id}/judgement", body, Idempotency_Key="k")
    assert reply.status in (404, 422)


def test_to_strangers_a_project_is_as_little_there_as_an_unknown_one() -> None:
    make_project()
    stranger = Annotator(user_create(username="stranger"))
    assert stranger.call("POST", "/projects/helpful/next").status == 404
    assert stranger.call("GET", "/projects/helpful").status == 404
    assert stranger.call("POST", "/projects/nowhere/next").status == 404
    assert stranger.call("POST", "/projects/a%00b/next").status == 404
    assert stranger.call("GET", "/projects").body == []


def test_who_left_the_project_cannot_judge() -> None:
    project = make_project()
    make_comparison(project, "Why?")
    annotator = Annotator(make_annotator(project))
    handed = annotator.next(project)
    project.memberships.all().delete()
    assert annotator.judge(handed).status == 404


def test_next_and_judgement_take_few_statements() -> None:
    project = make_project()
    make_comparisons(project, 3)
    annotator = Annotator(make_annotator(project))
    annotator.judge(annotator.next(project))
    with CaptureQueriesContext(
        connection,
    ) as next_queries:
        handed = annotator.next(project)
    with CaptureQueriesContext(connection) as judgement_queries:
        assert annotator.judge(handed, edited="edited").status == 201
    assert num_statements(next_queries) <= 6
    assert num_statements(judgement_queries) <= 6


def num_statements(queries: CaptureQueriesContext) -> int:
    """Statements but those that begin and end transactions."""
    around = ("SAVEPOINT", "RELEASE", "BEGIN", "COMMIT")
    return sum(not query["sql"].startswith(around) for query in queries.captured_queries)
