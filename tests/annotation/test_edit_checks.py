"""Edits that somebody else judges again, through the HTTP API: who gets them, what they tell and count."""

import json
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import AuditEntry, Role
from annotation.exported import exported_records
from annotation.figures.check_figures import checked_people, checks_with_counts, num_active
from annotation.figures.edits_again import EditsAgain, edits_again, edits_again_total, lost_edit_ids
from annotation.figures.overview import state_counts
from annotation.figures.quality import project_quality
from annotation.models import Assignment, Check, Comparison, Judgement, Project
from annotation.selectors import comparison_counts, judgement_count, preference_records
from annotation.services import comparison_ahead, edit_checks
from annotation.services.edits_left_out import edit_leave_out
from annotation.services.erasing import person_erase, prompt_erase
from annotation.services.leasing import held_put_aside
from annotation.services.pausing import judgements_exclude, judgements_restore, with_decisions
from tests.alignment.test_erasing import in_database
from tests.annotation.factories import Annotator, lease_end, make_annotator, make_comparisons, make_project
from tests.annotation.test_judging import num_statements

pytestmark = pytest.mark.django_db

EDITED = "a much better answer"


def make_edited(count: int = 3, *, people: int = 1, judged_by: str = "ann") -> tuple[Project, Annotator]:
    """A project whose edits are all judged again, and somebody who has edited all of `count` answers."""
    project = make_project(edit_share=1.0)
    Project.objects.filter(pk=project.pk).update(edit_people=people)
    project.refresh_from_db()
    make_comparisons(project, count)
    editor = Annotator(make_annotator(project, judged_by))
    for number in range(count):
        handed = editor.next(project)
        assert editor.judge(handed, edited=f"{EDITED} {number}").status == 201
    return project, editor


def someone(project: Project, name: str) -> Annotator:
    return Annotator(make_annotator(project, name))


def is_edit(handed: dict[str, Any]) -> bool:
    return EDITED in handed["left"]["content"] + handed["right"]["content"]


def edit_side(handed: dict[str, Any]) -> str:
    return "left" if EDITED in handed["left"]["content"] else "right"


def other_side(handed: dict[str, Any]) -> str:
    return "right" if edit_side(handed) == "left" else "left"


def edit_next(person: Annotator, project: Project) -> dict[str, Any]:
    """The edit that is handed out next."""
    handed: dict[str, Any] = person.next(project)
    assert is_edit(handed)
    return handed


def all_edits(person: Annotator, project: Project, side: Any) -> list[dict[str, Any]]:
    """All edits that are handed out, judged by `side`; the work that comes after them is put aside."""
    found = []
    while (handed := person.next(project)) is not None and is_edit(handed):
        found.append(handed)
        assert person.judge(handed, preferred=side(handed)).status == 201
    held_put_aside(project, person.user)
    return found


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Edits that wait come before all other work: most tests need not judge on until one is drawn."""
    monkeypatch.setattr(edit_checks, "MOST", 1.0)


def test_somebody_else_judges_an_edit_against_what_it_was_made_of_and_nobody_twice() -> None:
    project, editor = make_edited(3)
    bob, cleo = someone(project, "bob"), someone(project, "cleo")
    seen = all_edits(bob, project, edit_side)
    assert sorted(one[edit_side(one)]["content"] for one in seen) == [f"{EDITED} {n}" for n in range(3)]
    assert {one[other_side(one)]["content"] for one in seen} == {"a long answer"}
    assert {one["context"][0]["content"] for one in seen} == {f"question {n}" for n in range(3)}
    assert all_edits(cleo, project, edit_side) == [] == all_edits(editor, project, edit_side)
    assert not Check.objects.filter(kind="edit", active=True).exists()


def test_sides_are_drawn_and_nothing_tells_that_it_is_a_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    project, _editor = make_edited(6)
    bob = someone(project, "bob")
    make_comparisons(project, 15)
    handed_out, replies, pages = [], [], []
    page = Client()
    page.force_login(bob.user)
    while True:
        reply = bob.call("POST", f"/projects/{project.slug}/next")
        if reply.status == 204:
            break
        handed = reply.body["comparison"]
        shown = page.get(f"/projects/{project.slug}/annotate/")
        pages.append((is_edit(handed), shown))
        handed_out.append(handed)
        replies.append((is_edit(handed), bob.judge(handed).body))
    edits = [one for one in handed_out if is_edit(one)]
    assert len(edits) == 6 and {edit_side(one) for one in edits} == {"left", "right"}
    assert len({frozenset(one) for one in handed_out}) == 1
    assert len({frozenset(body) for _, body in replies}) == 1
    assert {json.dumps(body["feedback"]) for _, body in replies} == {"null"}
    for numbers in ([one["id"] for one in handed_out], [one["dialog"] for one in handed_out]):
        ranks = {number: rank for rank, number in enumerate(sorted(numbers))}
        assert max(abs(ranks[number] - place) for place, number in enumerate(numbers)) <= 3
    headers = {
        edit: {frozenset(shown.headers) for was, shown in pages if was == edit} for edit in (True, False)
    }
    assert headers[True] == headers[False]
    plain = {word for was, shown in pages if not was for word in shown.content.decode().split()}
    for was, shown in pages:
        words = {word for word in shown.content.decode().split() if not any(c.isdigit() for c in word)}
        if was:
            told = words - plain
            assert all("better" in word or "much" in word for word in told if "nonce" not in word), told


def test_it_enters_no_record_and_no_other_figure() -> None:
    project, editor = make_edited(3)
    before = project_quality(project, patient=True)
    bob = someone(project, "bob")
    handed = edit_next(bob, project)
    assert bob.judge(handed, preferred=other_side(handed), edited="yet another").status == 201
    judged = Judgement.objects.filter(comparison__of_check=None)
    assert Judgement.objects.count() == judged.count() + 1
    assert Judgement.objects.get(comparison__of_check__kind="edit").passed is None
    assert len(list(preference_records(project))) == judged.count() == judgement_count(project, 1)
    assert "yet another" not in str(list(exported_records(project)))
    assert (
        comparison_counts(project, 1).full
        == sum(number for _, number in state_counts(project))
        == judged.count()
    )
    after = project_quality(project, patient=True)
    assert before and after and not isinstance(after, int)
    assert after.figures.overall.num_judgements == judged.count()
    assert checked_people(project) == [] == list(checks_with_counts(project))
    assert "edit" not in dict(num_active(project))
    assert Check.objects.filter(kind="edit").count() == 3, "an edit of a check is not judged again itself"
    assert editor.user.pk in edits_again(project)


def test_figures_count_what_won_tied_and_lost() -> None:
    project, editor = make_edited(2, people=2)
    bob, cleo = someone(project, "bob"), someone(project, "cleo")
    assert len(all_edits(bob, project, edit_side)) == 2
    assert edits_again(project) == {editor.user.pk: EditsAgain(won=2)}
    sides = iter([edit_side, other_side])
    assert len(all_edits(cleo, project, lambda handed: next(sides)(handed))) == 2
    figures = edits_again(project)
    assert figures == {editor.user.pk: EditsAgain(won=1, tied=1)} and lost_edit_ids(project) == []
    share = edits_again_total(figures).win_share
    assert share is not None and (share.value, share.num) == (0.5, 2)
    assert not Check.objects.filter(kind="edit", active=True).exists()


def test_an_edit_that_lost_is_listed() -> None:
    project, editor = make_edited(1)
    bob = someone(project, "bob")
    handed = edit_next(bob, project)
    assert bob.judge(handed, preferred=other_side(handed)).status == 201
    lost = lost_edit_ids(project)
    assert lost == list(Check.objects.values_list("pk", flat=True)) == lost_edit_ids(project, editor.user.pk)
    assert lost_edit_ids(project, bob.user.pk) == []


def test_nobody_who_has_or_will_have_the_comparison_gets_its_edit() -> None:
    project = make_project(overlap=2, edit_share=1.0)
    make_comparisons(project, 1)
    ann, bob = (someone(project, name) for name in ("ann", "bob"))
    assert ann.judge(ann.next(project), edited=EDITED).status == 201
    # Not full: whoever saw the edit now would know one answer of the comparison later.
    handed = bob.next(project)
    assert not is_edit(handed)
    assert bob.judge(handed).status == 201
    assert all_edits(bob, project, edit_side) == []
    assert len(all_edits(someone(project, "cleo"), project, edit_side)) == 1


def test_one_that_is_skipped_goes_to_somebody_else_and_one_put_aside_comes_again_with_its_draft() -> None:
    project, _editor = make_edited(1)
    bob, cleo = someone(project, "bob"), someone(project, "cleo")
    handed = edit_next(bob, project)
    assert bob.call("PUT", f"/comparisons/{handed['id']}/draft", {"comment": "half a thought"}).status == 200
    held_put_aside(project, bob.user)
    again = edit_next(bob, project)
    assert (again["id"], again["draft"]["comment"]) == (handed["id"], "half a thought")
    assert all_edits(cleo, project, edit_side) == [], "it is in bob's hands"
    lease_end(bob)
    assert all_edits(cleo, project, edit_side) == [], "late or not"
    body = {"lease": again["lease"]}
    assert bob.call("POST", f"/comparisons/{again['id']}/skip", body).status == 204
    assert len(all_edits(cleo, project, edit_side)) == 1
    assert all_edits(bob, project, edit_side) == []


def test_it_is_fetched_ahead_like_all_others_and_keeps_its_place() -> None:
    project = make_project(edit_share=1.0)
    make_comparisons(project, 4)
    ann, bob, cleo = (someone(project, name) for name in ("ann", "bob", "cleo"))
    held = bob.next(project)
    assert ann.judge(ann.next(project), edited=EDITED).status == 201
    ahead = comparison_ahead(project, bob.user)
    assert ahead is not None and ahead.of_check_id is not None and ahead.state == "reserved"
    assert comparison_ahead(project, bob.user) == ahead
    assert all_edits(cleo, project, edit_side) == []
    assert bob.judge(held).status == 201
    assert bob.next(project)["id"] == ahead.comparison_id


def test_no_share_and_no_membership_mean_no_look_at_edits() -> None:
    project, _editor = make_edited(2)
    Project.objects.filter(pk=project.pk).update(edit_share=0.0)
    assert all_edits(someone(project, "bob"), project, edit_side) == []
    plain = make_project("plain")
    make_comparisons(plain, 1)
    ann = someone(plain, "zoe")
    assert ann.judge(ann.next(plain), edited=EDITED).status == 201
    assert not Check.objects.filter(project=plain).exists()


def test_a_look_at_an_edit_costs_no_more_statements_than_allowed() -> None:
    project, _editor = make_edited(1)
    bob = someone(project, "bob")
    make_comparisons(project, 1)
    for _ in range(2):
        with CaptureQueriesContext(connection) as next_queries:
            handed = bob.next(project)
        with CaptureQueriesContext(connection) as judgement_queries:
            assert bob.judge(handed, edited="edited").status == 201
        assert num_statements(next_queries) <= 8
        assert num_statements(judgement_queries) <= 10


@pytest.mark.parametrize("erased", ["prompt", "editor"])
def test_erasing_reaches_the_copies_and_keeps_the_counts(erased: str) -> None:
    project, editor = make_edited(1)
    bob = someone(project, "bob")
    handed = edit_next(bob, project)
    assert bob.judge(handed, preferred=other_side(handed), comment="worse").status == 201
    edited = Judgement.objects.get(edit__isnull=False)
    if erased == "prompt":
        prompt_erase(edited.comparison.dialog.prompt, actor=None)
        assert in_database("question 0") == []
    else:
        person_erase(editor.user, actor=None)
    assert in_database(EDITED) == []
    assert edits_again_total(edits_again(project)) == EditsAgain(lost=1)
    assert lost_edit_ids(project) == []


def test_one_in_somebodys_hands_is_erased_and_comes_no_more() -> None:
    project, _editor = make_edited(1)
    bob = someone(project, "bob")
    handed = edit_next(bob, project)
    edited = Judgement.objects.get(edit__isnull=False)
    prompt_erase(edited.comparison.dialog.prompt, actor=None)
    assert Comparison.objects.get(pk=handed["id"]).state == "check"
    assert Assignment.objects.get(comparison=handed["id"]).state == "expired"
    assert all_edits(bob, project, edit_side) == []
    assert not Judgement.objects.filter(comparison=handed["id"]).exists()
    assert AuditEntry.objects.filter(action="check.create", data__kind="edit").count() == 1


def test_who_is_excluded_says_nothing_of_edits_any_more_until_restored() -> None:
    project, editor = make_edited(2)
    bob, boss = someone(project, "bob"), make_annotator(project, "boss", Role.ADMIN)
    assert len(all_edits(bob, project, other_side)) == 2
    lost = lost_edit_ids(project)
    left_out = edit_leave_out(Check.objects.get(pk=lost[0]), actor=boss)
    counters = list(Comparison.objects.order_by("pk").values_list("pk", "state", "num_judgements", "needed"))
    moved = judgements_exclude(project, bob.user, actor=boss)
    assert len(moved.judgement_ids) == 2
    assert left_out.pk in with_decisions(moved.judgement_ids)
    assert edits_again(project) == {}
    assert lost_edit_ids(project) == []
    assert counters == list(
        Comparison.objects.order_by("pk").values_list("pk", "state", "num_judgements", "needed")
    )
    assert Check.objects.filter(kind="edit", active=True).count() == 2
    judgements_restore(project, bob.user, actor=boss)
    assert lost_edit_ids(project) == lost
    assert edits_again(project) == {editor.user.pk: EditsAgain(lost=2)}
    assert not Check.objects.filter(kind="edit", active=True).exists()


def test_the_place_of_an_excluded_verdict_goes_to_somebody_else() -> None:
    project, editor = make_edited(1)
    bob, cleo = someone(project, "bob"), someone(project, "cleo")
    boss = make_annotator(project, "boss", Role.ADMIN)
    all_edits(bob, project, other_side)
    judgements_exclude(project, bob.user, actor=boss)
    assert len(all_edits(cleo, project, edit_side)) == 1
    assert edits_again(project) == {editor.user.pk: EditsAgain(won=1)}
    assert not Check.objects.filter(kind="edit", active=True).exists()


def test_an_erased_edit_is_shown_to_nobody_as_an_edit() -> None:
    project, editor = make_edited(1)
    judgement = Judgement.objects.get(annotator=editor.user)
    assert judgement.standing_edit is not None
    page = Client()
    page.force_login(editor.user)
    assert "Your edit" in page.get(f"/work/{project.slug}/").content.decode()
    prompt_erase(judgement.comparison.dialog.prompt, actor=editor.user)
    assert "Your edit" not in page.get(f"/work/{project.slug}/").content.decode()
