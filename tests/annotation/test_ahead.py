"""The comparison that is kept for a person while they are still at another."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Role, User
from annotation.models import Assignment, Comparison, Project
from annotation.services import comparison_ahead, comparison_next, flag_resolve
from annotation.services.administration import membership_remove
from tests.annotation.factories import (
    Annotator,
    make_annotator,
    make_comparison,
    make_comparisons,
    make_project,
)

pytestmark = pytest.mark.django_db


def run_out(annotator: User, state: str) -> None:
    Assignment.objects.filter(annotator=annotator, state=state).update(
        expires_at=timezone.now() - timedelta(seconds=1)
    )


def ahead_of(project: Project, annotator: User) -> Assignment:
    assignment = comparison_ahead(project, annotator)
    assert assignment is not None
    assert assignment.state == Assignment.State.RESERVED
    return assignment


def test_what_is_kept_comes_next_under_the_same_lease() -> None:
    project = make_project()
    make_comparisons(project, 3)
    ann = Annotator(make_annotator(project))
    handed = ann.next(project)
    kept = ahead_of(project, ann.user)
    assert kept.comparison_id != handed["id"]
    assert ann.next(project)["id"] == handed["id"]
    assert ann.judge(handed).status == 201
    following = ann.next(project)
    assert (following["id"], following["lease"]) == (kept.comparison_id, str(kept.lease))
    assert Assignment.objects.get(pk=kept.pk).state == Assignment.State.ACTIVE


def test_asking_again_finds_the_same() -> None:
    project = make_project()
    make_comparisons(project, 3)
    person = make_annotator(project)
    comparison_next(project, person)
    assert ahead_of(project, person).pk == ahead_of(project, person).pk


def test_it_holds_a_place_and_gives_it_back_when_its_time_runs_out() -> None:
    project = make_project()
    make_comparisons(project, 2)
    ann, bob = make_annotator(project, "ann"), make_annotator(project, "bob")
    comparison_next(project, ann)
    kept = ahead_of(project, ann)
    assert comparison_next(project, bob) is None
    run_out(ann, "reserved")
    taken = comparison_next(project, bob)
    assert taken is not None
    assert taken.comparison_id == kept.comparison_id
    assert comparison_ahead(project, ann) is None
    assert Assignment.objects.get(pk=kept.pk).state == Assignment.State.EXPIRED


def test_what_ran_out_and_nobody_took_is_still_theirs() -> None:
    project = make_project()
    make_comparisons(project, 2)
    ann = Annotator(make_annotator(project))
    handed = ann.next(project)
    kept = ahead_of(project, ann.user)
    run_out(ann.user, "reserved")
    ann.judge(handed)
    assert ann.next(project)["lease"] == str(kept.lease)


def test_it_can_be_written_in_and_judged_before_the_server_heard_that_it_is_shown() -> None:
    project = make_project()
    make_comparisons(project, 2)
    ann = Annotator(make_annotator(project))
    ann.judge(ann.next(project))
    kept = ahead_of(project, ann.user)
    body = {"comment": "already typing"}
    assert ann.call("PUT", f"/comparisons/{kept.comparison_id}/draft", body).status == 200
    assert ann.judge({"id": kept.comparison_id, "lease": str(kept.lease)}).status == 201
    assert Comparison.objects.get(pk=kept.comparison_id).num_judgements == 1


def test_a_new_round_lets_go_of_what_was_kept() -> None:
    project = make_project()
    make_comparisons(project, 2)
    person = make_annotator(project)
    handed = comparison_next(project, person)
    assert handed is not None
    kept = ahead_of(project, person)
    newer = make_comparison(project, "new", round_number=2)
    Project.objects.update(current_round=2)
    project.refresh_from_db()
    Assignment.objects.filter(pk=handed.pk).update(state=Assignment.State.SKIPPED)
    following = comparison_next(project, person)
    assert following is not None
    assert following.comparison_id == newer.pk
    assert Assignment.objects.get(pk=kept.pk).state == Assignment.State.EXPIRED


def test_who_leaves_the_project_lets_go_of_it() -> None:
    project = make_project()
    make_comparisons(project, 2)
    ann, bob = make_annotator(project, "ann"), make_annotator(project, "bob")
    comparison_next(project, ann)
    kept = ahead_of(project, ann)
    membership_remove(project.memberships.get(user=ann), actor=bob)
    assert Assignment.objects.get(pk=kept.pk).state == Assignment.State.EXPIRED


def test_the_page_gets_it_rendered_or_nothing() -> None:
    project = make_project()
    make_comparisons(project, 2)
    person = make_annotator(project)
    client = Client()
    client.force_login(person)
    address = f"/projects/{project.slug}/annotate/next/"
    first = client.post(address).content.decode()
    kept = client.post(f"{address}?ahead=1")
    assert kept.status_code == 200
    lease = Assignment.objects.get(state="reserved").lease
    assert f'data-lease="{lease}"' in kept.content.decode()
    assert "model-0" not in kept.content.decode()
    assert str(lease) not in first
    Assignment.objects.filter(state="reserved").update(state="skipped")
    assert client.post(f"{address}?ahead=1").status_code == 204


def test_what_everyone_has_skipped_goes_to_a_reviewer_who_can_hand_it_out_again() -> None:
    project = make_project()
    comparison = make_comparison(project, "Why?")
    ann, bob = (Annotator(make_annotator(project, name)) for name in ("ann", "bob"))
    client = Client()
    for round_number in range(2):
        for person, state in ((ann, "open"), (bob, "flagged")):
            handed = person.next(project)
            path = f"/comparisons/{handed['id']}/skip"
            body = {"lease": handed["lease"], "reason": f"too long for {person.user.username}"}
            assert person.call("POST", path, body).status == 204
            comparison.refresh_from_db()
            assert comparison.state == state
        assert comparison.flags.get().get_reason_display() == "skipped by everyone"
        client.force_login(make_annotator(project, f"reviewer{round_number}", Role.REVIEWER))
        page = client.get(f"/projects/{project.slug}/flagged/").content.decode()
        assert "too long for ann" in page and "too long for bob" in page
        project.memberships.filter(role=Role.REVIEWER).delete()
        if round_number == 0:
            flag_resolve(comparison, keep=True, actor=ann.user)


def test_nobody_can_say_that_everyone_skipped_it() -> None:
    project = make_project()
    make_comparison(project, "Why?")
    ann = Annotator(make_annotator(project))
    handed = ann.next(project)
    body = {"lease": handed["lease"], "reason": "skipped_by_everyone"}
    assert ann.call("POST", f"/comparisons/{handed['id']}/flag", body).status == 422
