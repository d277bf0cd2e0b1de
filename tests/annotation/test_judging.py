"""Handing out, judging, skipping and flagging through the HTTP API."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import AuditEntry, Role
from accounts.services import user_create
from annotation.models import Assignment, Comparison, Edit, Flag, Judgement
from annotation.services import flag_resolve, membership_set
from tests.annotation.factories import (
    Annotator,
    make_annotator,
    make_comparison,
    make_comparisons,
    make_project,
)

pytestmark = pytest.mark.django_db


def lease_end(annotator: Annotator, *, seconds_ago: int = 1) -> None:
    """Let the annotator's lease run out."""
    Assignment.objects.filter(annotator=annotator.user, state="active").update(
        expires_at=timezone.now() - timedelta(seconds=seconds_ago)
    )


def test_a_comparison_is_handed_out_without_naming_its_models() -> None:
    project = make_project()
    comparison = make_comparison(project, "Why?")
    reply = Annotator(make_annotator(project)).call("POST", "/projects/helpful/next")
    assert reply.status == 200
    handed = reply.body["comparison"]
    assert handed["id"] == comparison.pk
    assert handed["context"] == [{"role": "user", "content": "Why?"}]
    assert {handed["left"]["content"], handed["right"]["content"]} == {"a long answer", "an answer"}
    assert "model" not in str(reply.body)
    uuid.UUID(handed["lease"])


def test_nothing_left_is_204() -> None:
    project = make_project()
    assert Annotator(make_annotator(project)).call("POST", "/projects/helpful/next").status == 204


def test_the_comparison_in_hand_comes_again_until_it_is_judged() -> None:
    project = make_project()
    make_comparisons(project, 2)
    annotator = Annotator(make_annotator(project))
    first = annotator.next(project)
    again = annotator.next(project)
    assert (again["id"], again["lease"]) == (first["id"], first["lease"])
    assert annotator.judge(first).status == 201
    assert annotator.next(project)["id"] != first["id"]


def test_only_the_current_round_is_handed_out() -> None:
    project = make_project()
    make_comparison(project, "old", round_number=7)
    assert Annotator(make_annotator(project)).next(project) is None


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
        reasons=["true"],
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


def test_a_lease_that_ran_out_is_renewed_with_its_draft_when_its_owner_comes_back() -> None:
    project = make_project()
    make_comparison(project, "Why?")
    annotator = Annotator(make_annotator(project))
    handed = annotator.next(project)
    draft = {"preferred": "left", "edited": "half a sent", "comment": "because"}
    assert annotator.call("PUT", f"/comparisons/{handed['id']}/draft", draft).status == 200
    lease_end(annotator)
    again = annotator.next(project)
    assert (again["id"], again["lease"]) == (handed["id"], handed["lease"])
    assert {name: again["draft"][name] for name in draft} == draft
    assert again["expires_at"] > handed["expires_at"]


def test_a_draft_put_aside_comes_back_with_its_comparison() -> None:
    project = make_project()
    make_comparison(project, "Why?")
    late, quick = (Annotator(make_annotator(project, name)) for name in ("late", "quick"))
    handed = late.next(project)
    late.call("PUT", f"/comparisons/{handed['id']}/draft", {"comment": "mine"})
    lease_end(late)
    theirs = quick.next(project)
    assert late.next(project) is None
    quick.call("POST", f"/comparisons/{theirs['id']}/skip", {"lease": theirs["lease"]})
    assert late.next(project)["draft"]["comment"] == "mine"


def test_a_draft_keeps_the_comparison_in_hand() -> None:
    project = make_project()
    make_comparison(project, "Why?")
    annotator = Annotator(make_annotator(project))
    handed = annotator.next(project)
    Assignment.objects.update(expires_at=timezone.now() + timedelta(seconds=5))
    reply = annotator.call("PUT", f"/comparisons/{handed['id']}/draft", {"comment": "still here"})
    assert reply.body["expires_at"] >= handed["expires_at"]


def test_a_draft_of_a_judged_comparison_is_refused() -> None:
    project = make_project()
    make_comparison(project, "Why?")
    annotator = Annotator(make_annotator(project))
    handed = annotator.next(project)
    annotator.judge(handed)
    assert annotator.call("PUT", f"/comparisons/{handed['id']}/draft", {}).status == 409


def test_a_skipped_comparison_goes_to_others_and_never_comes_back() -> None:
    project = make_project()
    make_comparison(project, "Why?")
    ann, bob = (Annotator(make_annotator(project, name)) for name in ("ann", "bob"))
    handed = ann.next(project)
    path = f"/comparisons/{handed['id']}/skip"
    body = {"lease": handed["lease"], "reason": "not my field"}
    assert [ann.call("POST", path, body).status for _ in range(2)] == [204, 204]
    assert ann.next(project) is None
    assert ann.judge(handed).status == 403
    assert bob.next(project)["id"] == handed["id"]


def test_a_flagged_comparison_goes_to_nobody_until_a_reviewer_hands_it_out_again() -> None:
    project = make_project()
    make_comparison(project, "Why?")
    ann, bob = (Annotator(make_annotator(project, name)) for name in ("ann", "bob"))
    handed = ann.next(project)
    body = {"lease": handed["lease"], "reason": "unsafe", "comment": "look"}
    assert ann.call("POST", f"/comparisons/{handed['id']}/flag", body).status == 204
    assert Flag.objects.get().reason == "unsafe"
    assert ann.next(project) is None
    assert bob.next(project) is None
    flag_resolve(Comparison.objects.get(), keep=True, actor=bob.user)
    assert ann.next(project) is None
    assert bob.next(project)["id"] == handed["id"]


def test_a_withdrawn_comparison_is_over() -> None:
    project = make_project()
    make_comparison(project, "Why?")
    ann = Annotator(make_annotator(project))
    handed = ann.next(project)
    ann.call("POST", f"/comparisons/{handed['id']}/flag", {"lease": handed["lease"], "reason": "broken"})
    flag_resolve(Comparison.objects.get(), keep=False, actor=ann.user)
    assert Comparison.objects.get().state == "withdrawn"
    assert Annotator(make_annotator(project, "bob")).next(project) is None


def test_overlap_hands_a_comparison_to_as_many_people_as_it_needs() -> None:
    project = make_project(overlap=2)
    comparison = make_comparison(project, "Why?")
    ann, bob, cat = (Annotator(make_annotator(project, name)) for name in ("ann", "bob", "cat"))
    handed = [person.next(project) for person in (ann, bob)]
    assert [one["id"] for one in handed] == [comparison.pk] * 2
    assert cat.next(project) is None
    assert [person.judge(one).status for person, one in zip((ann, bob), handed, strict=True)] == [201, 201]
    comparison.refresh_from_db()
    assert (comparison.state, comparison.num_judgements) == ("full", 2)


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


def test_strangers_are_refused_and_unknown_projects_not_found() -> None:
    make_project()
    stranger = Annotator(user_create(username="stranger"))
    assert stranger.call("POST", "/projects/helpful/next").status == 403
    assert stranger.call("GET", "/projects/helpful").status == 403
    assert stranger.call("POST", "/projects/nowhere/next").status == 404
    assert stranger.call("POST", "/projects/a%00b/next").status == 404
    assert stranger.call("GET", "/projects").body == []


def test_who_left_the_project_cannot_judge() -> None:
    project = make_project()
    make_comparison(project, "Why?")
    annotator = Annotator(make_annotator(project))
    handed = annotator.next(project)
    project.memberships.all().delete()
    assert annotator.judge(handed).status == 403


def test_admins_may_annotate_everywhere() -> None:
    project = make_project()
    make_comparison(project, "Why?")
    admin = Annotator(user_create(username="root", role=Role.ADMIN))
    assert admin.judge(admin.next(project)).status == 201
    assert [row["slug"] for row in admin.call("GET", "/projects").body] == ["helpful"]


def test_a_project_is_shown_with_its_guidelines() -> None:
    project = make_project(guidelines="Be *kind*.")
    annotator = Annotator(make_annotator(project, role=Role.REVIEWER))
    membership_set(project, annotator.user, Role.ANNOTATOR)
    assert annotator.call("GET", "/projects/helpful").body["guidelines"] == "Be *kind*."


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
    assert num_statements(judgement_queries) <= 8


def num_statements(queries: CaptureQueriesContext) -> int:
    """Statements but those that begin and end transactions."""
    around = ("SAVEPOINT", "RELEASE", "BEGIN", "COMMIT")
    return sum(not query["sql"].startswith(around) for query in queries.captured_queries)
