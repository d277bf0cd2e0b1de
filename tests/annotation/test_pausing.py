"""Pausing people, and taking what they judged out of the data and back."""

from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone

from accounts.models import AuditEntry, Role, User
from annotation.figures.overview import breakdown
from annotation.figures.quality import judgements_stamp, project_quality
from annotation.models import Assignment, Comparison, Judgement, Membership, Project
from annotation.selectors import judgement_count, preference_records
from annotation.services.pausing import (
    judgements_exclude,
    judgements_restore,
    membership_pause,
    membership_resume,
)
from tests.annotation.factories import Annotator, make_annotator, make_comparisons, make_project

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return make_project(overlap=2)


@pytest.fixture
def boss(project: Project) -> User:
    return make_annotator(project, "boss", Role.ADMIN)


def judge_all(project: Project, name: str) -> Annotator:
    annotator = Annotator(make_annotator(project, name))
    while (handed := annotator.next(project)) is not None:
        assert annotator.judge(handed).status == 201
    return annotator


def states(project: Project) -> set[tuple[str, int, int]]:
    return set(Comparison.objects.filter(project=project).values_list("state", "num_judgements", "needed"))


def test_a_paused_person_gets_nothing_and_keeps_the_draft(project: Project, boss: User) -> None:
    make_comparisons(project, 1)
    annotator = Annotator(make_annotator(project))
    handed = annotator.next(project)
    membership = Membership.objects.get(user=annotator.user)
    membership_pause(membership, reason="We talk tomorrow.", actor=boss)
    assert annotator.call("POST", "/projects/helpful/next").status == 403
    assert annotator.judge(handed).status == 403
    draft = {"lease": handed["lease"], "comment": "half a thought"}
    assert annotator.call("PUT", f"/comparisons/{handed['id']}/draft", draft).status == 200
    membership_resume(membership, actor=boss)
    again = annotator.next(project)
    assert (again["id"], again["draft"]["comment"]) == (handed["id"], "half a thought")
    assert annotator.judge(again).status == 201


def test_a_judgement_repeated_after_the_pause_is_still_the_same(project: Project, boss: User) -> None:
    make_comparisons(project, 1)
    annotator = Annotator(make_annotator(project))
    handed = annotator.next(project)
    assert annotator.judge(handed, key="once").status == 201
    membership_pause(Membership.objects.get(user=annotator.user), reason="", actor=boss)
    assert annotator.judge(handed, key="once").status == 200


def test_excluded_judgements_count_nowhere_and_their_places_are_handed_out(
    project: Project, boss: User
) -> None:
    make_comparisons(project, 3)
    ann, bob = judge_all(project, "ann"), judge_all(project, "bob")
    before = judgements_stamp(project)
    moved = judgements_exclude(project, ann.user, actor=boss)
    assert (len(moved.judgement_ids), moved.num_comparisons) == (3, 3)
    assert states(project) == {("open", 1, 2)}
    pseudonyms = {record.annotator for record in preference_records(project)}
    assert pseudonyms == {bob.user.pseudonym}
    assert judgement_count(project, 1) == 3 == breakdown(project).total
    assert judgements_stamp(project) != before
    found = project_quality(project, patient=True)
    assert found is not None and not isinstance(found, int)
    assert [person.annotator for person in found.figures.people] == [bob.user.pk]
    assert ann.next(project) is None, "not again to the same person"
    assert Annotator(make_annotator(project, "cat")).next(project) is not None
    entry = AuditEntry.objects.get(action="judgements.exclude")
    assert entry.data["judgements"] == list(moved.judgement_ids)


def test_restoring_brings_everything_back(project: Project, boss: User) -> None:
    make_comparisons(project, 3)
    ann, _ = judge_all(project, "ann"), judge_all(project, "bob")
    before = judgements_stamp(project)
    judgements_exclude(project, ann.user, actor=boss)
    judgements_restore(project, ann.user, actor=boss)
    assert states(project) == {("full", 2, 2)}
    assert judgements_stamp(project) == before


def test_restoring_overfills_nothing_and_takes_nothing_out_of_hands(project: Project, boss: User) -> None:
    make_comparisons(project, 3)
    ann, _ = judge_all(project, "ann"), judge_all(project, "bob")
    judgements_exclude(project, ann.user, actor=boss)
    cat = Annotator(make_annotator(project, "cat"))
    assert cat.judge(cat.next(project)).status == 201
    held = cat.next(project)
    judgements_restore(project, ann.user, actor=boss)
    assert states(project) == {("full", 3, 3), ("open", 2, 3), ("full", 2, 2)}
    assert cat.judge(held).status == 201
    assert states(project) == {("full", 3, 3), ("full", 2, 2)}


def test_only_what_was_judged_since_then_is_excluded(project: Project, boss: User) -> None:
    make_comparisons(project, 3)
    ann = judge_all(project, "ann")
    old = Judgement.objects.order_by("pk").first()
    assert old is not None
    Judgement.objects.filter(pk=old.pk).update(created_at=F("created_at") - timedelta(days=2))
    moved = judgements_exclude(project, ann.user, since=timezone.now() - timedelta(days=1), actor=boss)
    assert old.pk not in moved.judgement_ids and len(moved.judgement_ids) == 2


def test_another_project_of_the_same_person_is_left_alone(project: Project, boss: User) -> None:
    make_comparisons(project, 1)
    ann = judge_all(project, "ann")
    other = make_project("other")
    make_comparisons(other, 1)
    Membership.objects.create(project=other, user=ann.user)
    assert ann.judge(ann.next(other)).status == 201
    judgements_exclude(project, ann.user, actor=boss)
    assert judgement_count(other, 1) == 1


def test_a_lease_that_ran_out_holds_no_place_for_the_restored(project: Project, boss: User) -> None:
    make_comparisons(project, 1)
    ann, _ = judge_all(project, "ann"), judge_all(project, "bob")
    judgements_exclude(project, ann.user, actor=boss)
    cat = Annotator(make_annotator(project, "cat"))
    late = cat.next(project)
    Assignment.objects.filter(annotator=cat.user).update(expires_at=timezone.now() - timedelta(hours=1))
    judgements_restore(project, ann.user, actor=boss)
    assert states(project) == {("full", 2, 2)}
    assert cat.judge(late).status == 409
