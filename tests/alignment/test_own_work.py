"""The pages of one's own work: counts, agreement, what learned from it, and nobody else's affairs."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from alignment.models import Round, Snapshot
from annotation.figures.own_work import LEAST_SHARED, NUM_DAYS, own_days, own_work
from annotation.models import Check, Judgement, Project
from annotation.records import Message
from annotation.services.checks import check_create
from registry.models import Checkpoint
from tests.annotation.factories import Annotator, make_annotator, make_comparisons, make_project

pytestmark = pytest.mark.django_db


def judge_all(user: User, project: Project, preferred: str, **fields: str) -> None:
    """`user` prefers the same side of everything that is handed to them."""
    person = Annotator(user)
    while (handed := person.next(project)) is not None:
        assert person.judge(handed, preferred=preferred, **fields).status == 201


def page_of(user: User, path: str = "/work/") -> str:
    """What `user` sees there."""
    client = Client()
    client.force_login(user)
    response = client.get(path)
    assert response.status_code == 200
    return response.content.decode()


def test_own_work_is_counted_by_span_with_active_time_edits_and_what_was_put_aside() -> None:
    project = make_project()
    make_comparisons(project, 4)
    user = make_annotator(project)
    person = Annotator(user)
    handed = person.next(project)
    person.judge(handed, seconds=60, edited="better")
    person.judge(person.next(project), seconds=86_400)
    handed = person.next(project)
    person.call("POST", f"/comparisons/{handed['id']}/skip", {"lease": handed["lease"]})
    handed = person.next(project)
    body = {"lease": handed["lease"], "reason": "broken"}
    person.call("POST", f"/comparisons/{handed['id']}/flag", body)
    Judgement.objects.filter(seconds=60).update(created_at=timezone.now() - timedelta(days=9))
    (work,) = own_work(user)
    assert (work.today.num_judgements, work.week.num_judgements, work.whole.num_judgements) == (1, 1, 2)
    assert (work.today.active_seconds, work.whole.active_seconds) == (900, 960)
    assert (work.num_edits, work.num_skipped, work.num_flagged) == (1, 1, 1)
    days = dict(own_days(user, [project]))
    assert len(days) == NUM_DAYS
    assert days[timezone.localdate()] == days[timezone.localdate() - timedelta(days=9)] == 1


@pytest.mark.parametrize(("shared", "agrees"), [(LEAST_SHARED - 1, None), (LEAST_SHARED, 0.5)])
def test_agreement_is_told_once_it_gives_no_single_judgement_away(shared: int, agrees: float | None) -> None:
    project = make_project(overlap=3)
    make_comparisons(project, shared)
    own, *others = [make_annotator(project, name) for name in ("own", "one", "two")]
    judge_all(own, project, "left")
    judge_all(others[0], project, "left")
    judge_all(others[1], project, "right")
    (work,) = own_work(own)
    assert (work.num_shared, work.agrees) == (shared, agrees)


def test_the_page_names_the_rounds_that_learned_and_nobody_else_and_no_model() -> None:
    project = make_project(name="Helpful answers", overlap=2)
    make_comparisons(project, 2)
    own, other = make_annotator(project, "own"), make_annotator(project, "somebody-else")
    judge_all(own, project, "right", comment="the right one, plainly")
    judge_all(other, project, "left", comment="not for others")
    base = Checkpoint.objects.create(name="secret-base", kind=Checkpoint.Kind.BASE, path="/base")
    round_ = Round.objects.create(project=project, number=7, base=base, recipe={})
    snapshot = Snapshot.objects.create(
        round=round_, folder="/s", content_hash="0" * 64, num_train=2, num_holdout=0, num_newest=2
    )
    snapshot.judgements.set(Judgement.objects.all())
    work, judgements = page_of(own), page_of(own, f"/work/{project.slug}/")
    assert "round 7 from 2" in work
    assert "Right is better" in judgements
    assert judgements.count("the right one, plainly") == 2
    assert "question 0" in judgements
    for hidden in ("model-0", "model-1", "secret-base", "somebody-else", other.pseudonym, "not for others"):
        assert hidden not in work + judgements


def test_another_projects_page_is_not_there() -> None:
    project, user = make_project(), make_annotator(make_project("other"))
    client = Client()
    client.force_login(user)
    assert client.get(f"/work/{project.slug}/").status_code in (403, 404)
    assert client.get("/work/").status_code == 200
    assert Client().get("/work/").status_code == 302


@pytest.mark.parametrize("feedback", [True, False])
def test_accuracy_is_told_of_checks_with_a_word_and_never_of_attention_checks(feedback: bool) -> None:
    project = make_project()
    Project.objects.update(check_feedback=feedback, gold_share=0.5)
    project.refresh_from_db()
    for number, kind in enumerate([Check.Kind.GOLD, Check.Kind.ATTENTION]):
        check_create(
            project,
            kind=kind,
            context=[Message(role="user", content=f"known {number}")],
            better=f"right {number}",
            worse=f"wrong {number}",
        )
    make_comparisons(project, 20)
    user = make_annotator(project)
    judge_all(user, project, "left")
    judged = Judgement.objects.exclude(passed=None)
    assert judged.filter(comparison__of_check__kind=Check.Kind.ATTENTION).exists()
    judged.update(passed=True)
    told = judged.filter(comparison__of_check__kind=Check.Kind.GOLD).count()
    assert told
    (work,) = own_work(user)
    assert (0 if work.accuracy is None else work.accuracy.num) == told * feedback
    assert ("100%" in page_of(user)) == feedback


def test_what_was_excluded_does_not_count_as_another_voice() -> None:
    project = make_project(overlap=2)
    make_comparisons(project, LEAST_SHARED)
    user, other = make_annotator(project), make_annotator(project, "other")
    judge_all(user, project, "left")
    judge_all(other, project, "right")
    assert own_work(user)[0].agrees == 0
    Judgement.objects.filter(annotator=other).update(standing=Judgement.Standing.EXCLUDED)
    assert own_work(user)[0].num_shared == 0
