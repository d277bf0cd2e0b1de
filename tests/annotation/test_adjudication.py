"""Reviewers decide where people disagree."""

import pytest
from django.db import IntegrityError, transaction

from accounts.errors import Conflict
from accounts.models import Role, User
from annotation.conflicts import ConflictFilter, conflict_ids
from annotation.figures.quality import project_quality
from annotation.models import Comparison, Judgement, Project, Side
from annotation.records import Strength
from annotation.selectors import preference_records
from annotation.services import Verdict
from annotation.services.adjudication import comparison_decide, decision_undo
from annotation.services.pausing import judgements_exclude, judgements_restore
from tests.annotation.factories import Annotator, make_annotator, make_comparison, make_project

pytestmark = pytest.mark.django_db

LEFT = Verdict(preferred=Side.LEFT, strength=Strength.BETTER, comment="It is right.")


@pytest.fixture
def project() -> Project:
    return make_project(overlap=2)


@pytest.fixture
def reviewer(project: Project) -> User:
    return make_annotator(project, "rita", Role.REVIEWER)


@pytest.fixture
def people(project: Project) -> list[Annotator]:
    return [Annotator(make_annotator(project, name)) for name in ("ann", "bob")]


def judged(
    project: Project, people: list[Annotator], *words: tuple[str, str], domain: str = "general"
) -> Comparison:
    """A comparison of which each person said their side and strength."""
    comparison = make_comparison(project, "Why?", domain=domain)
    for person, (side, strength) in zip(people, words, strict=True):
        reply = person.judge(person.next(project), preferred=side, strength=strength)
        assert reply.status == 201
    comparison.refresh_from_db()
    return comparison


def test_conflicts_come_with_the_strongest_first_and_by_filter(
    project: Project, people: list[Annotator]
) -> None:
    weak = judged(project, people, ("left", "slightly_better"), ("right", "better"))
    strong = judged(project, people, ("left", "significantly_better"), ("right", "better"), domain="code")
    judged(project, people, ("left", "better"), ("left", "better"))
    assert conflict_ids(project, ConflictFilter()) == [strong.pk, weak.pk]
    assert conflict_ids(project, ConflictFilter(strong=True)) == [strong.pk]
    assert conflict_ids(project, ConflictFilter(domain="general", round=1)) == [weak.pk]
    assert conflict_ids(project, ConflictFilter(round=2)) == []


def test_a_decision_stands_in_the_records_and_leaves_agreement_alone(
    project: Project, people: list[Annotator], reviewer: User
) -> None:
    comparison = judged(project, people, ("left", "better"), ("right", "better"))
    before = project_quality(project, patient=True)
    comparison_decide(comparison, reviewer=reviewer, verdict=LEFT)
    records = list(preference_records(project))
    assert [record.annotator for record in records] == [reviewer.pseudonym]
    after = project_quality(project, patient=True)
    assert before is not None and after is not None and not isinstance(before, int)
    assert not isinstance(after, int) and after.figures.overall == before.figures.overall
    assert conflict_ids(project, ConflictFilter()) == []
    with pytest.raises(Conflict, match="undo that first"):
        comparison_decide(comparison, reviewer=make_annotator(project, "rob"), verdict=LEFT)


def test_a_decision_can_be_undone_and_made_again(
    project: Project, people: list[Annotator], reviewer: User
) -> None:
    comparison = judged(project, people, ("left", "better"), ("right", "better"))
    first = comparison_decide(comparison, reviewer=reviewer, verdict=LEFT)
    decision_undo(first, actor=reviewer)
    assert {record.annotator for record in preference_records(project)} == {
        person.user.pseudonym for person in people
    }
    with pytest.raises(Conflict, match="does not stand"):
        decision_undo(first, actor=reviewer)
    again = comparison_decide(comparison, reviewer=reviewer, verdict=LEFT)
    assert again.pk != first.pk, "what learned from the first can still be named"
    assert len(list(preference_records(project))) == 1


def test_who_judged_cannot_decide_nor_can_anybody_before_all_have_judged(
    project: Project, people: list[Annotator], reviewer: User
) -> None:
    comparison = judged(project, people, ("left", "better"), ("right", "better"))
    with pytest.raises(Conflict, match="yourself"):
        comparison_decide(comparison, reviewer=people[0].user, verdict=LEFT)
    with pytest.raises(Conflict, match="still judging"):
        comparison_decide(make_comparison(project, "Who?"), reviewer=reviewer, verdict=LEFT)


def test_excluding_under_a_decision_keeps_the_decision(
    project: Project, people: list[Annotator], reviewer: User
) -> None:
    comparison = judged(project, people, ("left", "better"), ("right", "better"))
    decision = comparison_decide(comparison, reviewer=reviewer, verdict=LEFT)
    judgements_exclude(project, people[0].user, actor=reviewer)
    judgements_exclude(project, reviewer, actor=reviewer)
    comparison.refresh_from_db()
    assert (comparison.state, comparison.num_judgements) == ("full", 1)
    assert len(list(preference_records(project))) == 1
    judgements_restore(project, people[0].user, actor=reviewer)
    standings = set(Judgement.objects.values_list("standing", flat=True))
    assert standings == {"decision", "superseded"}
    judgements_exclude(project, people[0].user, actor=reviewer)
    decision_undo(decision, actor=reviewer)
    comparison.refresh_from_db()
    assert (comparison.state, comparison.num_judgements, comparison.needed) == ("open", 1, 2)


def test_the_database_keeps_one_judgement_a_person(project: Project, people: list[Annotator]) -> None:
    comparison = judged(project, people, ("left", "better"), ("right", "better"))
    with pytest.raises(IntegrityError), transaction.atomic():
        Judgement.objects.create(
            comparison=comparison,
            annotator=people[0].user,
            preferred="left",
            strength="better",
            idempotency_key="x",
        )
