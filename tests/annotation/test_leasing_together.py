"""Many annotators at once, on real connections: nothing is handed out too often, lost or doubled."""

import threading
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial

import pytest
from django.db import connection, transaction
from django.db.models import Count
from django.utils import timezone

from accounts.models import User
from annotation.models import Assignment, Comparison, Judgement, Project, Side
from annotation.records import Strength
from annotation.services import Verdict, comparison_ahead, comparison_next, judgement_submit
from annotation.services.statements import place_take
from tests.annotation.factories import Annotator, make_annotator, make_comparisons, make_project

pytestmark = pytest.mark.django_db(transaction=True)

NUM_CLIENTS = 8


def all_at_once(works: Sequence[Callable[[], object]]) -> list[object]:
    """Run all `works` in threads of their own that begin together; each closes its connection."""
    barrier = threading.Barrier(len(works))

    def run(work: Callable[[], object]) -> object:
        barrier.wait()
        try:
            return work()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


def people(project: Project) -> list[User]:
    """One person a client."""
    return [make_annotator(project, f"person-{number}") for number in range(NUM_CLIENTS)]


def num_holders() -> Counter[int]:
    """How many people hold each comparison."""
    return Counter(Assignment.objects.filter(state="active").values_list("comparison_id", flat=True))


@pytest.mark.parametrize(("overlap", "num_comparisons"), [(1, 3), (1, 8), (2, 3), (3, 2)])
def test_a_comparison_is_never_handed_to_more_people_than_it_needs(
    overlap: int, num_comparisons: int
) -> None:
    project = make_project(overlap=overlap)
    make_comparisons(project, num_comparisons)
    annotators = people(project)
    for _ in range(5):
        handed = all_at_once([partial(comparison_next, project, person) for person in annotators])
        assert all(number <= overlap for number in num_holders().values()), num_holders()
        # And nobody comes away empty-handed while there is a place.
        assert sum(one is not None for one in handed) == min(NUM_CLIENTS, overlap * num_comparisons)
        Assignment.objects.all().delete()


def test_what_is_kept_ahead_counts_as_a_place_for_people_who_ask_at_the_same_time() -> None:
    project = make_project(overlap=2)
    make_comparisons(project, 6)
    annotators = people(project)

    def ask(person: User) -> None:
        comparison_next(project, person)
        for _ in range(3):
            comparison_ahead(project, person)
            comparison_next(project, person)

    all_at_once([partial(ask, person) for person in annotators] * 2)
    holders = Counter(Assignment.objects.values_list("comparison_id", flat=True))
    assert all(number <= 2 for number in holders.values()), holders
    assert sum(holders.values()) == 12
    assert set(Assignment.objects.values_list("state", flat=True)) == {"active", "reserved"}


def test_one_person_in_two_windows_holds_one_comparison() -> None:
    project = make_project()
    make_comparisons(project, 8)
    person = make_annotator(project)
    handed = all_at_once([lambda: comparison_next(project, person)] * 4)
    assert len({one.comparison_id for one in handed if isinstance(one, Assignment)}) == 1
    assert Assignment.objects.count() == 1


def test_every_comparison_is_judged_once_by_people_who_work_at_the_same_time() -> None:
    project = make_project()
    comparisons = make_comparisons(project, 40)
    clients = [Annotator(person) for person in people(project)]

    def work(client: Annotator) -> int:
        count = 0
        while (handed := client.next(project)) is not None:
            assert client.judge(handed).status == 201
            count += 1
        return count

    counts = all_at_once([partial(work, client) for client in clients])
    assert sum(int(str(count)) for count in counts) == len(comparisons)
    judged = Comparison.objects.annotate(num=Count("judgements")).values_list(
        "num", "num_judgements", "state"
    )
    assert set(judged) == {(1, 1, "full")}


def test_one_judgement_sent_many_times_at_once_is_written_once() -> None:
    project = make_project()
    make_comparisons(project, 1)
    client = Annotator(make_annotator(project))
    handed = client.next(project)
    replies = all_at_once([lambda: client.judge(handed, key="one").status] * NUM_CLIENTS)
    assert Counter(replies) == {201: 1, 200: NUM_CLIENTS - 1}
    assert Judgement.objects.count() == 1


def test_late_judgements_never_exceed_what_a_comparison_needs() -> None:
    project = make_project(overlap=2)
    comparison = make_comparisons(project, 1)[0]
    annotators = people(project)
    now = timezone.now()
    leases = [
        Assignment.objects.create(
            project=project, comparison=comparison, annotator=person, expires_at=now - timedelta(hours=1)
        ).lease
        for person in annotators
    ]

    def submit(person: User, lease: uuid.UUID) -> str:
        verdict = Verdict(preferred=Side.LEFT, strength=Strength.BETTER)
        try:
            judgement_submit(
                comparison_id=comparison.pk,
                annotator=person,
                lease=lease,
                idempotency_key="k",
                verdict=verdict,
            )
        except Exception as error:  # noqa: BLE001  (which one, is what the test looks at)
            return type(error).__name__
        return "written"

    outcomes = all_at_once(
        [partial(submit, person, lease) for person, lease in zip(annotators, leases, strict=True)]
    )
    assert Counter(outcomes) == {"written": 2, "Conflict": NUM_CLIENTS - 2}
    comparison.refresh_from_db()
    assert (comparison.num_judgements, comparison.state) == (2, "full")


def test_a_request_that_comes_late_does_not_hand_out_again_what_the_person_has_judged_meanwhile() -> None:
    project = make_project(overlap=2)
    (comparison,) = make_comparisons(project, 1)
    annotator = make_annotator(project, "ann")
    held = comparison_next(project, annotator)
    assert held is not None
    Assignment.objects.filter(pk=held.pk).update(state="submitted")
    # As the late one does: it found the comparison free before the other was given it.
    now = timezone.now()
    with transaction.atomic():
        taken = place_take(comparison, annotator, now, now + timedelta(minutes=1), Assignment.State.ACTIVE)
    assert taken is None
    held.refresh_from_db()
    assert held.state == "submitted"
