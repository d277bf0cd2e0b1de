"""Excluding and restoring a person's judgements from a program."""

import pytest

from accounts.models import Role
from annotation.models import Judgement, Membership
from tests.annotation.factories import Annotator, make_annotator, make_comparisons, make_project

pytestmark = pytest.mark.django_db


def test_a_program_excludes_what_a_person_judged_and_restores_it() -> None:
    project = make_project()
    make_comparisons(project, 3)
    annotator = Annotator(make_annotator(project))
    for _ in range(3):
        annotator.judge(annotator.next(project))
    boss = Annotator(make_annotator(project, "boss", Role.ADMIN))
    people = {each["username"]: each for each in boss.call("GET", "/projects/helpful/people").body}
    assert people["ann"]["role"] == "annotator" and not people["ann"]["paused"]
    address = f"/projects/helpful/people/{people['ann']['id']}"
    second = Judgement.objects.order_by("pk")[1].created_at.isoformat()
    moved = boss.call("POST", f"{address}/exclude", {"since": second}).body
    assert moved == {"judgements": 2, "comparisons": 2, "snapshots": [], "checkpoints": []}
    assert Judgement.objects.filter(standing="excluded").count() == 2
    assert boss.call("POST", f"{address}/exclude", {}).body["judgements"] == 1
    assert boss.call("POST", f"{address}/restore", {}).body["judgements"] == 3
    assert not Judgement.objects.filter(standing="excluded").exists()


def test_people_of_other_projects_are_not_there_and_misspelt_fields_are_refused() -> None:
    project = make_project()
    boss = Annotator(make_annotator(project, "boss", Role.ADMIN))
    make_annotator(make_project("other"), "bea")
    stranger = Membership.objects.get(user__username="bea")
    assert boss.call("POST", f"/projects/helpful/people/{stranger.pk}/exclude", {}).status == 404
    own = Membership.objects.get(user=boss.user)
    assert boss.call("POST", f"/projects/helpful/people/{own.pk}/exclude", {"from": "2026"}).status == 422
