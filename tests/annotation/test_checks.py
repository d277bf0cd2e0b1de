"""Gold comparisons, attention checks and the qualification, through the HTTP API."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import AuditEntry
from annotation.figures.overview import breakdown, state_counts
from annotation.figures.quality import project_quality
from annotation.figures.reports import project_report
from annotation.models import Check, Comparison, Judgement, Membership, Project
from annotation.records import Message, Strength
from annotation.selectors import comparison_counts, judgement_count, preference_records
from annotation.services.checks import check_create, check_set_active, qualification_retry
from annotation.services.leasing import held_put_aside
from tests.annotation.factories import Annotator, make_annotator, make_comparisons, make_project
from tests.annotation.test_judging import num_statements

pytestmark = pytest.mark.django_db

# Work has one number in sixteen; a check takes a free one among the five places from the latest that the
# person had, and work may be handed out one place before it. Numbers from the end of the row would be up to
# 60 places away.
MOST_BETWEEN = 7 * 16


def make_check(project: Project, number: int = 0, kind: Check.Kind = Check.Kind.GOLD, **fields: Any) -> Check:
    return check_create(
        project,
        kind=kind,
        context=[Message(role="user", content=f"known {number}")],
        better=f"right {number}",
        worse=f"wrong {number}",
        **fields,
    )


def is_check(handed: dict[str, Any]) -> bool:
    return handed["context"][0]["content"].startswith("known")


def right_side(handed: dict[str, Any]) -> str:
    return "left" if handed["left"]["content"].startswith("right") else "right"


def wrong_side(handed: dict[str, Any]) -> str:
    return "right" if right_side(handed) == "left" else "left"


def work_through(annotator: Annotator, project: Project, *, side: Any = right_side) -> list[dict[str, Any]]:
    """Judge all that is handed out, checks by `side`."""
    handed_out = []
    while (handed := annotator.next(project)) is not None:
        handed_out.append(handed)
        assert annotator.judge(handed, preferred=side(handed)).status == 201
        assert len(handed_out) < 500
    return handed_out


def test_a_share_of_what_a_person_gets_is_made_from_checks_and_nothing_tells_before_judging() -> None:
    project = make_project(overlap=2)
    Project.objects.filter(pk=project.pk).update(gold_share=0.4)
    real = {comparison.pk for comparison in make_comparisons(project, 60)}
    for number in range(5):
        make_check(project, number, Check.Kind.ATTENTION if number % 2 else Check.Kind.GOLD)
    people = [Annotator(make_annotator(project, name)) for name in ("ann", "bob")]
    handed_out = [work_through(person, project) for person in people]
    for handed in handed_out:
        checks = [one for one in handed if is_check(one)]
        assert 0.1 < len(checks) / len(handed) < 0.7
        assert len({frozenset(one) for one in handed}) == 1, "all have the same fields"
        for name in ("id", "dialog"):
            numbers = [one[name] for one in handed]
            steps = [abs(after - before) for before, after in pairwise(numbers)]
            assert max(steps) < MOST_BETWEEN, f"no number far out of the row: {numbers}"
        assert {one["id"] for one in handed if not is_check(one)} == real
        assert {right_side(one) for one in checks} == {"left", "right"}
        # Not one twice before all were used.
        questions = [one["context"][0]["content"] for one in checks]
        assert len(set(questions[:5])) == len(questions[:5])
    places = [[place for place, one in enumerate(handed) if is_check(one)] for handed in handed_out]
    assert places[0] != places[1]


def test_checks_enter_no_record_and_no_figure() -> None:
    project = make_project()
    Project.objects.filter(pk=project.pk).update(gold_share=0.5)
    make_comparisons(project, 10)
    make_check(project)
    annotator = Annotator(make_annotator(project))
    handed = work_through(annotator, project)
    assert Judgement.objects.count() == len(handed) > 10
    assert len(list(preference_records(project))) == 10 == judgement_count(project, 1)
    assert breakdown(project).total == 10
    assert sum(number for _, number in state_counts(project)) == 10
    assert comparison_counts(project, 1).full == 10
    found = project_quality(project, patient=True)
    assert found is not None and not isinstance(found, int)
    assert found.figures.overall.num_judgements == 10
    report = project_report(project, None)
    assert report is not None and report.whole.num_judgements == 10 == report.total.comparisons


def test_nobody_else_is_handed_a_comparison_made_for_one() -> None:
    project = make_project()
    Project.objects.filter(pk=project.pk).update(qualification_needed=1)
    make_check(project, kind=Check.Kind.QUALIFICATION)
    ann, bob = (Annotator(make_annotator(project, name)) for name in ("ann", "bob"))
    first, second = ann.next(project), bob.next(project)
    assert first["id"] != second["id"]
    assert bob.judge(first).status == 403
    assert ann.next(project)["lease"] == first["lease"]


@pytest.mark.parametrize(
    ("side", "strength", "is_right"),
    [(right_side, "better", True), (right_side, "marginally_better", False), (wrong_side, "better", False)],
)
def test_feedback_after_gold_says_what_was_expected(side: Any, strength: str, is_right: bool) -> None:
    project = make_project()
    Project.objects.filter(pk=project.pk).update(gold_share=0.5)
    make_comparisons(project, 30)
    make_check(project, weakest=Strength.BETTER, explanation="Because **so**.")
    annotator = Annotator(make_annotator(project))
    while not is_check(handed := annotator.next(project)):
        assert annotator.judge(handed).body["feedback"] is None
    reply = annotator.judge(handed, key="once", preferred=side(handed), strength=strength)
    assert reply.body["feedback"] == {
        "is_right": is_right,
        "preferred": right_side(handed),
        "weakest": "better",
        "strongest": "significantly_better",
        "explanation": "Because **so**.",
    }
    again = annotator.judge(handed, key="once", preferred=side(handed), strength=strength)
    assert again.status == 200 and again.body == reply.body
    assert Judgement.objects.get(pk=reply.body["id"]).passed is is_right


@pytest.mark.parametrize(("kind", "given"), [(Check.Kind.GOLD, False), (Check.Kind.ATTENTION, True)])
def test_attention_checks_and_silent_projects_give_no_feedback(kind: Check.Kind, given: bool) -> None:
    project = make_project()
    Project.objects.filter(pk=project.pk).update(gold_share=0.5, check_feedback=given)
    make_comparisons(project, 10)
    make_check(project, kind=kind)
    annotator = Annotator(make_annotator(project))
    while (handed := annotator.next(project)) is not None:
        assert annotator.judge(handed, preferred=wrong_side(handed)).body["feedback"] is None


def test_a_newcomer_works_only_after_the_qualification() -> None:
    project = make_project()
    Project.objects.filter(pk=project.pk).update(qualification_needed=3, qualification_pass=0.6)
    make_comparisons(project, 1)
    for number in range(4):
        make_check(project, number, Check.Kind.QUALIFICATION)
    annotator = Annotator(make_annotator(project))
    for side in (right_side, wrong_side, right_side):
        handed = annotator.next(project)
        assert is_check(handed)
        assert annotator.judge(handed, preferred=side(handed)).body["feedback"] is not None
    assert not is_check(annotator.next(project))
    assert Membership.objects.get(user=annotator.user).qualified_at is not None
    assert AuditEntry.objects.filter(action="membership.qualify").count() == 1


def test_who_fails_the_qualification_gets_no_work_until_given_another_try() -> None:
    project = make_project()
    Project.objects.filter(pk=project.pk).update(qualification_needed=2)
    make_comparisons(project, 1)
    for number in range(2):
        make_check(project, number, Check.Kind.QUALIFICATION)
    annotator = Annotator(make_annotator(project))
    for _ in range(2):
        handed = annotator.next(project)
        annotator.judge(handed, preferred=wrong_side(handed))
    refused = annotator.call("POST", "/projects/helpful/next")
    assert refused.status == 403
    assert "0 of 2" in refused.body["detail"] and "another try" in refused.body["detail"]
    membership = Membership.objects.get(user=annotator.user)
    qualification_retry(membership, actor=make_annotator(project, "boss"))
    for _ in range(2):
        handed = annotator.next(project)
        annotator.judge(handed, preferred=right_side(handed))
    assert not is_check(annotator.next(project))


def test_a_qualification_without_checks_says_so() -> None:
    project = make_project()
    Project.objects.filter(pk=project.pk).update(qualification_needed=2)
    make_comparisons(project, 1)
    check = make_check(project, kind=Check.Kind.QUALIFICATION)
    check_set_active(check, active=False, actor=make_annotator(project, "boss"))
    refused = Annotator(make_annotator(project)).call("POST", "/projects/helpful/next")
    assert refused.status == 403 and "no test comparisons" in refused.body["detail"]


def test_who_is_wrong_too_often_is_paused_and_keeps_drafts() -> None:
    project = make_project()
    Project.objects.filter(pk=project.pk).update(gold_share=0.5, pause_below=0.5, pause_after=2)
    make_comparisons(project, 30)
    make_check(project)
    annotator = Annotator(make_annotator(project))
    wrong = 0
    while wrong < 2:
        handed = annotator.next(project)
        wrong += is_check(handed)
        assert annotator.judge(handed, preferred=wrong_side(handed)).status == 201
    refused = annotator.call("POST", "/projects/helpful/next")
    assert refused.status == 403 and "paused" in refused.body["detail"]
    membership = Membership.objects.get(user=annotator.user)
    assert membership.paused_at and membership.paused_by is None
    assert membership.pause_reason == "0 of the latest 2 checks right"
    entry = AuditEntry.objects.get(action="membership.pause")
    assert (entry.actor, entry.data["checks"], entry.data["right"]) == (None, 2, 0)


def test_a_check_costs_no_more_statements_than_work() -> None:
    project = make_project()
    Project.objects.filter(pk=project.pk).update(
        qualification_needed=1, pause_below=0.9, pause_after=1, gold_share=0.5
    )
    make_comparisons(project, 30)
    make_check(project, 0, Check.Kind.QUALIFICATION)
    make_check(project, 1)
    annotator = Annotator(make_annotator(project))
    most = {"next": 0, "judgement": 0}
    while Membership.objects.get(user=annotator.user).paused_at is None:
        with CaptureQueriesContext(connection) as next_queries:
            handed = annotator.next(project)
        side = right_side(handed) if handed["context"][0]["content"] == "known 0" else wrong_side(handed)
        with CaptureQueriesContext(connection) as judgement_queries:
            annotator.judge(handed, preferred=side, edited="edited")
        most["next"] = max(most["next"], num_statements(next_queries))
        most["judgement"] = max(most["judgement"], num_statements(judgement_queries))
    assert most["next"] <= 7
    assert most["judgement"] <= 10


def test_a_check_that_was_put_aside_comes_again_with_its_draft_and_a_finished_one_does_not() -> None:
    project = make_project()
    Project.objects.filter(pk=project.pk).update(gold_share=0.5)
    make_comparisons(project, 30)
    make_check(project, 0)
    make_check(project, 1)
    annotator = Annotator(make_annotator(project))

    def check_next() -> dict[str, Any]:
        while not is_check(handed := annotator.next(project)):
            annotator.judge(handed)
        return handed

    aside = check_next()
    annotator.call("PUT", f"/comparisons/{aside['id']}/draft", {"comment": "half a thought"})
    held_put_aside(project, annotator.user)
    again = check_next()
    assert (again["id"], again["lease"]) == (aside["id"], aside["lease"])
    assert again["draft"]["comment"] == "half a thought"
    assert annotator.judge(again).status == 201
    assert check_next()["id"] != aside["id"]


def test_skipping_and_flagging_a_check_look_like_all_others() -> None:
    project = make_project()
    Project.objects.filter(pk=project.pk).update(qualification_needed=2)
    for number in range(2):
        make_check(project, number, Check.Kind.QUALIFICATION)
    annotator = Annotator(make_annotator(project))
    for way, more in (("skip", {}), ("flag", {"reason": "broken"})):
        handed = annotator.next(project)
        body = {"lease": handed["lease"], **more}
        assert annotator.call("POST", f"/comparisons/{handed['id']}/{way}", body).status == 204
    assert set(Comparison.objects.values_list("state", flat=True)) == {"check"}


def test_checks_are_imported_and_bad_rows_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_project()
    good = {"prompt": "2+2?", "better": "4", "worse": "5", "kind": "attention", "weakest": "better"}
    rows = [good, good, {**good, "worse": "4 "}, {**good, "weakest": "much"}, {**good, "kind": "odd"}]
    path = tmp_path / "checks.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\nnot json\n")
    call_command("import_checks", str(path), project="helpful")
    said = capsys.readouterr()
    assert "read 6 rows: kept 1 checks, 1 already there, refused 4" in said.out
    check = Check.objects.get()
    assert (check.kind, check.weakest, check.better.content) == ("attention", "better", "4")
    assert check.prompt.split == "check"
