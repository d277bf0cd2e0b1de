"""The quality page, the list of lost edits, leaving one out, and the figures for programs."""

import pytest
from django.test import Client

from accounts.models import Role
from annotation.models import Comparison, Judgement, Project
from annotation.selectors import preference_records
from annotation.services import edit_checks
from tests.annotation.factories import Annotator, make_annotator
from tests.annotation.test_edit_checks import (
    EDITED,
    all_edits,
    edit_side,
    make_edited,
    other_side,
    someone,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def project(monkeypatch: pytest.MonkeyPatch) -> Project:
    """One edit won, one lost."""
    monkeypatch.setattr(edit_checks, "MOST", 1.0)
    project, _editor = make_edited(2)
    sides = iter([edit_side, other_side])
    assert len(all_edits(someone(project, "bob"), project, lambda handed: next(sides)(handed))) == 2
    return project


@pytest.fixture
def admin(project: Project) -> Client:
    client = Client()
    client.force_login(make_annotator(project, "maria", Role.ADMIN))
    return client


def texts(project: Project) -> list[list[str]]:
    return [[each.content for each in record.responses] for record in preference_records(project)]


def test_the_pages_show_what_won_and_lost_and_no_model(project: Project, admin: Client) -> None:
    quality = admin.get(f"/projects/{project.slug}/quality/").content.decode()
    assert "Edits judged again" in quality and "?person=ann" in quality
    member = project.memberships.get(user__username="ann")
    assert (
        "of 2 judged again, 1 lost"
        in admin.get(f"/projects/{project.slug}/people/{member.pk}/").content.decode()
    )
    lost = admin.get(f"/projects/{project.slug}/quality/edits/").content.decode()
    assert f"{EDITED} 1" in lost and f"{EDITED} 0" not in lost
    assert "Edit by ann" in lost and "Leave the edit out" in lost and "model-" not in lost
    assert f"{EDITED} 1" in admin.get(f"/projects/{project.slug}/quality/edits/?person=ann").content.decode()
    # Nobody with an edit is called so: everybody's are shown.
    assert (
        "Edits by" not in admin.get(f"/projects/{project.slug}/quality/edits/?person=%00bob").content.decode()
    )


def test_a_lost_edit_is_left_out_of_the_records_and_back_in_once_undone(
    project: Project, admin: Client
) -> None:
    edited = Judgement.objects.get(edit__content=f"{EDITED} 1")
    path = f"/projects/{project.slug}/quality/edits/{edited.edit_check.pk}/leave-out/"
    before = texts(project)
    assert admin.post(path, {"person": "ann"})["Location"].endswith("?person=ann")
    assert texts(project) == [before[0], before[1][1:]]
    decision = Judgement.objects.get(standing="decision")
    assert (decision.preferred, decision.strength) == (edited.preferred, edited.strength)
    assert "A reviewer has decided" in admin.get(f"/projects/{project.slug}/quality/edits/").content.decode()
    said = admin.post(path, follow=True).content.decode()
    assert "undo that first" in said and len(texts(project)) == 2
    assert admin.post(f"/projects/{project.slug}/decisions/{decision.pk}/undo/").status_code == 302
    assert texts(project) == before


def test_an_edit_of_what_several_judged_is_not_left_out_alone(project: Project, admin: Client) -> None:
    edited = Judgement.objects.get(edit__content=f"{EDITED} 1")
    Comparison.objects.filter(pk=edited.comparison_id).update(needed=2, num_judgements=2)
    other = make_annotator(project, "zoe")
    Judgement.objects.create(
        comparison=edited.comparison,
        annotator=other,
        preferred="right",
        strength="better",
        idempotency_key="z",
    )
    page = admin.get(f"/projects/{project.slug}/quality/edits/").content.decode()
    assert f"{EDITED} 1" in page and "Leave the edit out" not in page
    path = f"/projects/{project.slug}/quality/edits/{edited.edit_check.pk}/leave-out/"
    assert "Several people judged" in admin.post(path, follow=True).content.decode()
    assert not Judgement.objects.filter(standing="decision").exists()


def test_programs_get_the_figures(project: Project) -> None:
    boss = Annotator(make_annotator(project, "boss", Role.ADMIN))
    reply = boss.call("GET", f"/projects/{project.slug}/quality/edits").body
    edits = reply["edits"]
    assert (edits["won"], edits["tied"], edits["lost"]) == (1, 0, 1)
    assert edits["win_share"] == pytest.approx(
        {"value": 0.5, "low": 0.0945, "high": 0.9055, "num": 2}, abs=1e-4
    )
    assert [person["username"] for person in reply["people"]] == ["ann"]
    lost = Judgement.objects.get(edit__content=f"{EDITED} 1")
    assert reply["lost_judgements"] == [lost.pk]
