"""Adaptive overlap: how sure one can be, and who is asked then."""

import random
from collections.abc import Callable

import pytest
from django.test import Client

from accounts.errors import Invalid
from accounts.models import Role, User
from accounts.services import user_create
from annotation.agreement.certainty import Vote, left_is_better, majority_certainty
from annotation.figures.predicted import predicted_agreement
from annotation.models import Comparison, Membership, Project
from annotation.services.overlap import predictions_set, reliabilities_learn
from tests.annotation.factories import Annotator, make_annotator, make_comparison, make_project

LEFT, RIGHT = Vote(left=True), Vote(left=False)


def test_the_posterior_by_hand() -> None:
    # 0.75^2 / (0.75^2 + 0.25^2)
    assert left_is_better([LEFT, LEFT]) == pytest.approx(0.9)
    # 0.9 * 0.5 / (0.9 * 0.5 + 0.1 * 0.5): 0.4 counts as a half
    good, poor = Vote(left=True, reliability=0.9), Vote(left=False, reliability=0.4)
    assert left_is_better([good, poor]) == pytest.approx(0.9)
    # odds 3 to 1 against odds 1 to 4
    assert left_is_better([LEFT], predicted=0.2) == pytest.approx(3 / 7)


def test_an_even_split_is_uncertain_whatever_is_predicted() -> None:
    assert majority_certainty([LEFT, RIGHT], predicted=0.99) == 0.5
    assert majority_certainty([]) == 0.5


def test_certainty_is_of_the_majority_also_where_the_few_are_believed_more() -> None:
    weak, strong = Vote(left=True, reliability=0.6), Vote(left=False, reliability=0.95)
    assert majority_certainty([weak, weak, strong]) < 0.5


def test_a_reward_model_that_disagrees_lowers_it_and_counts_for_no_more_than_its_cap() -> None:
    assert majority_certainty([LEFT, LEFT], predicted=0.5) == pytest.approx(0.9)
    assert majority_certainty([LEFT, LEFT], predicted=0.1) == pytest.approx(0.5)
    assert majority_certainty([LEFT, LEFT], predicted=0.0) == pytest.approx(0.5)


Stop = Callable[[list[Vote]], bool]


def simulate(stop: Stop, *, most: int, num: int = 4000, seed: int = 7) -> tuple[float, float]:
    """The share of comparisons whose majority is right, and the judgements each took."""
    drawn = random.Random(seed)
    people = [drawn.uniform(0.65, 0.95) for _ in range(40)]
    right = total = 0
    for _ in range(num):
        left_is = drawn.random() < 0.5
        votes: list[Vote] = []
        for reliability in drawn.sample(people, most):
            votes.append(Vote(left=left_is == (drawn.random() < reliability), reliability=reliability))
            if stop(votes):
                break
        num_left = sum(vote.left for vote in votes)
        majority = drawn.random() < 0.5 if 2 * num_left == len(votes) else 2 * num_left > len(votes)
        right += majority == left_is
        total += len(votes)
    return right / num, total / num


def test_adaptive_overlap_is_more_often_right_than_five_judgements_each_and_takes_fewer() -> None:
    fixed, five = simulate(lambda votes: False, most=5)
    adaptive, fewer = simulate(lambda votes: len(votes) >= 2 and majority_certainty(votes) >= 0.9, most=7)
    assert five == 5
    assert fixed == pytest.approx(0.913, abs=0.01)
    assert fewer < 3.5
    assert adaptive > fixed
    assert simulate(lambda votes: False, most=3)[0] < fixed - 0.03


def test_adaptive_overlap_saves_judgements_also_where_nobody_is_known() -> None:
    fixed, _ = simulate(lambda votes: False, most=5)

    def sure(votes: list[Vote]) -> bool:
        return len(votes) >= 2 and majority_certainty([Vote(left=vote.left) for vote in votes]) >= 0.95

    adaptive, fewer = simulate(sure, most=5)
    assert fewer < 4.2
    assert adaptive == pytest.approx(fixed, abs=0.005)


@pytest.fixture
def project() -> Project:
    project = make_project(overlap=2)
    Project.objects.filter(pk=project.pk).update(overlap_mode="adaptive", overlap_most=4, certainty=0.85)
    return project


def judge_by(project: Project, name: str, side: str) -> bool:
    annotator = Annotator(make_annotator(project, name))
    handed = annotator.next(project)
    if handed is None:
        return False
    assert annotator.judge(handed, preferred=side).status == 201
    return True


@pytest.mark.django_db
def test_two_who_agree_are_enough(project: Project) -> None:
    comparison = make_comparison(project, "Why?")
    assert judge_by(project, "ann", "left") and judge_by(project, "bob", "left")
    comparison.refresh_from_db()
    assert (comparison.state, comparison.num_judgements, comparison.needed) == ("full", 2, 2)
    assert not judge_by(project, "cat", "left")


@pytest.mark.django_db
def test_more_are_asked_while_they_disagree_and_never_more_than_the_most(project: Project) -> None:
    comparison = make_comparison(project, "Why?")
    for name, side in (("ann", "left"), ("bob", "right"), ("cat", "left"), ("dan", "right")):
        assert judge_by(project, name, side)
    comparison.refresh_from_db()
    assert (comparison.state, comparison.num_judgements, comparison.needed) == ("full", 4, 4)
    assert not judge_by(project, "eve", "left")


@pytest.mark.django_db
def test_one_more_is_asked_where_the_reward_model_disagrees(project: Project) -> None:
    comparison = make_comparison(project, "Why?")
    Comparison.objects.filter(pk=comparison.pk).update(predicted=0.2)
    assert judge_by(project, "ann", "left") and judge_by(project, "bob", "left")
    comparison.refresh_from_db()
    assert (comparison.state, comparison.needed) == ("open", 3)
    assert judge_by(project, "cat", "left")
    comparison.refresh_from_db()
    assert comparison.state == "full"


@pytest.mark.django_db
def test_people_known_to_be_reliable_are_believed_more(project: Project) -> None:
    Project.objects.filter(pk=project.pk).update(certainty=0.95)
    comparison = make_comparison(project, "Why?")
    ann, bob = (Annotator(make_annotator(project, name)) for name in ("ann", "bob"))
    Membership.objects.filter(project=project).update(reliability=0.9)
    for annotator in (ann, bob):
        annotator.judge(annotator.next(project))
    comparison.refresh_from_db()
    assert comparison.state == "full"


@pytest.mark.django_db
def test_reliabilities_are_learned_from_what_people_judged_together(project: Project) -> None:
    Project.objects.filter(pk=project.pk).update(overlap=3, overlap_most=3)
    people = [Annotator(make_annotator(project, name)) for name in ("ann", "bob", "odd")]
    project.refresh_from_db()
    for number in range(6):
        make_comparison(project, f"question {number}")
        for annotator in people:
            side = "left" if (number % 2 == 0) != (annotator is people[2]) else "right"
            annotator.judge(annotator.next(project), preferred=side)
    reliabilities_learn()
    known = {
        username: reliability or 0.0
        for username, reliability in Membership.objects.values_list("user__username", "reliability")
    }
    assert known["ann"] > 0.7 > 0.4 > known["odd"] > 0


@pytest.mark.django_db
def test_predictions_are_kept_of_open_comparisons_alone(project: Project) -> None:
    inside, other = make_comparison(project, "Why?"), make_comparison(make_project("other"), "Who?")
    assert predictions_set(project, {inside.pk: 0.25, other.pk: 0.5}) == 1
    inside.refresh_from_db()
    assert inside.predicted == 0.25
    with pytest.raises(Invalid, match="between 0 and 1"):
        predictions_set(project, {inside.pk: 1.5})


@pytest.mark.django_db
def test_admins_see_how_far_people_and_the_reward_model_agree(project: Project, client: Client) -> None:
    ann = Annotator(make_annotator(project))
    for number, predicted in enumerate((0.9, 0.9, 0.2)):
        comparison = make_comparison(project, f"question {number}")
        ann.judge(ann.next(project), preferred="left" if number else "right")
        Comparison.objects.filter(pk=comparison.pk).update(predicted=predicted)
    found = predicted_agreement(project)
    assert found is not None
    assert (found.overall.num, round(found.overall.value, 2)) == (3, 0.33)
    assert [(row.question, row.expected) for row in found.disagreements] == [
        ("question 0", 0.9),
        ("question 2", pytest.approx(0.8)),
    ]
    client.force_login(user_create(username="lead", role=Role.ADMIN))
    text = client.get(f"/projects/{project.slug}/quality/").content.decode()
    assert "People and the reward model" in text and "question 2" in text
    client.force_login(User.objects.get(username="ann"))
    assert client.get(f"/projects/{project.slug}/quality/").status_code == 403
