"""Handing out, drafts, skipping and flagging through the HTTP API."""

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Role
from accounts.services import user_create
from annotation.models import Assignment, Comparison, Flag
from annotation.services import flag_resolve, membership_set
from tests.annotation.factories import (
    Annotator,
    lease_end,
    make_annotator,
    make_comparison,
    make_comparisons,
    make_project,
)

pytestmark = pytest.mark.django_db


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
