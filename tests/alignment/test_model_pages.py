"""Pages of models: finding one among many, and its picture from judgements to what answers."""

from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Role
from accounts.services import user_create
from alignment.model_data import snapshot_count, snapshot_data
from alignment.models import Snapshot
from annotation.models import Judgement, Side
from annotation.services import membership_set
from registry.models import Checkpoint
from registry.selectors import lineage, relatives
from tests.alignment.factories import make_round
from tests.annotation.factories import make_comparison
from tests.e2e.sample_models import make_history, newest_policy

pytestmark = pytest.mark.django_db


@pytest.fixture
def page(client: Client) -> Client:
    """An admin's browser."""
    client.force_login(user_create(username="lead", role=Role.ADMIN))
    return client


def make_judgement() -> Judgement:
    return Judgement.objects.create(
        comparison=make_comparison(make_round().project, "why?"),
        annotator=user_create(username="ann"),
        preferred=Side.LEFT,
        strength="better",
        idempotency_key="1",
    )


def test_among_two_hundred_models_one_is_found_by_kind_and_name(
    page: Client, django_assert_max_num_queries: object
) -> None:
    Checkpoint.objects.bulk_create(
        Checkpoint(
            name=f"model-{number}",
            kind=Checkpoint.Kind.SFT if number % 2 else Checkpoint.Kind.DPO,
            path=f"/{number}",
            content_hash=f"{number:064x}",
        )
        for number in range(200)
    )
    with django_assert_max_num_queries(14):  # type: ignore[operator]  # pytest-django's fixture
        first = page.get(reverse("models")).content.decode()
    assert "model-199" in first and "model-3<" not in first and "Page 1 of 8" in first
    second = page.get(reverse("models") + "?kind=sft&page=2").content.decode()
    assert "Page 2 of 4" in second and "model-198" not in second
    assert "kind=sft&amp;page=3" in second
    found = page.get(reverse("models"), {"q": "MODEL-17 ", "kind": "dpo"}).content.decode()
    assert "model-178" in found and "model-18<" not in found and "model-17<" not in found
    assert "Nothing of that name" in page.get(reverse("models"), {"q": "nobody\0"}).content.decode()


def test_a_models_page_draws_five_rounds_down_to_judgements_in_few_statements(
    page: Client, tmp_path: Path, django_assert_max_num_queries: object
) -> None:
    make_judgement()
    make_history(tmp_path)
    policy = newest_policy()
    with django_assert_max_num_queries(20):  # type: ignore[operator]  # pytest-django's fixture
        text = page.get(reverse("model", args=[policy.pk])).content.decode()
    for number in range(1, 6):
        assert f"Answers with a long history, round {number}" in text
    assert "1,377 judgements" in text  # of the first round's snapshot
    assert "answers as history-a" in text
    assert "<dt>ann</dt>" in text  # by person
    assert text.count("is-focus") == 1


def test_a_snapshot_is_counted_once_and_people_are_called_what_they_are_called_now(
    tmp_path: Path, django_assert_max_num_queries: object
) -> None:
    judgement = make_judgement()
    snapshot = make_history(tmp_path, num_rounds=1)[0].snapshot
    Snapshot.objects.filter(pk=snapshot.pk).update(counts=None)
    snapshot.refresh_from_db()
    uncounted = snapshot_data(snapshot)
    assert (uncounted.total, uncounted.by_annotator) == (1, [("ann", 1)])
    snapshot_count(snapshot)
    assert snapshot_data(Snapshot.objects.get(pk=snapshot.pk)) == uncounted
    judgement.annotator.username = "somebody"
    judgement.annotator.save()
    with django_assert_max_num_queries(1):  # type: ignore[operator]  # pytest-django's fixture
        assert snapshot_data(snapshot).by_annotator == [("somebody", 1)]


def test_longer_histories_are_drawn_around_the_model_and_say_what_they_leave_out(
    page: Client, tmp_path: Path
) -> None:
    make_history(tmp_path, num_rounds=9)
    text = page.get(reverse("model", args=[newest_policy().pk])).content.decode()
    assert "3 rounds more are not drawn" in text
    assert "history, round 9" in text and "history, round 3<" not in text


def test_descent_is_walked_both_ways_with_the_fewest_steps(tmp_path: Path) -> None:
    make_history(tmp_path, num_rounds=2)
    policy, base = newest_policy(), Checkpoint.objects.get(name="history-base")
    above = relatives({policy.pk}, "parents")
    assert above[base.pk] == 4  # policy, DPO variant, SFT average, SFT variant, base
    assert relatives({base.pk}, "children")[policy.pk] == 4
    assert policy.pk not in above
    found = lineage(policy)
    assert [each.depth for each in found] == sorted(each.depth for each in found)
    assert (found[0].child, found[0].depth) == (policy.name, 1)


def test_a_persons_page_draws_what_their_work_trained(page: Client, tmp_path: Path) -> None:
    judgement = make_judgement()
    rounds = make_history(tmp_path, num_rounds=2)
    project = judgement.comparison.project
    rounds[0].snapshot.judgements.clear()
    membership_set(project, judgement.annotator, Role.ANNOTATOR)
    member = project.memberships.get()
    text = page.get(reverse("member", args=[project.slug, member.pk])).content.decode()
    assert "1 of 2,754 judgements" in text
    assert "history, round 2" in text and "history, round 1<" not in text
