"""What learned from a judgement: snapshots, the checkpoints of their rounds, and those below."""

import pytest

from accounts.services import user_create
from alignment.lineage import Learned, learned_from
from alignment.models import Round, Snapshot, Stage
from annotation.models import Judgement, Side
from registry.models import Checkpoint, Deployment
from tests.alignment.factories import make_round
from tests.annotation.factories import make_comparison

pytestmark = pytest.mark.django_db


def judged(round_: Round, count: int) -> list[Judgement]:
    annotator = user_create(username="ann")
    return [
        Judgement.objects.create(
            comparison=make_comparison(round_.project, f"question {number}"),
            annotator=annotator,
            preferred=Side.LEFT,
            strength="better",
            idempotency_key=f"{round_.pk}-{number}",
        )
        for number in range(count)
    ]


def snapshot_of(round_: Round, judgements: list[Judgement]) -> Snapshot:
    snapshot = Snapshot.objects.create(
        round=round_, folder="/nowhere", content_hash="0" * 64, num_train=1, num_holdout=0, num_newest=1
    )
    snapshot.judgements.set(judgements)
    return snapshot


def checkpoint(name: str, *parents: Checkpoint) -> Checkpoint:
    made = Checkpoint.objects.create(name=name, kind=Checkpoint.Kind.DPO, path=f"/{name}")
    for parent in parents:
        made.parent_links.create(parent=parent, role="initial")
    return made


def test_a_judgement_leads_to_its_snapshots_and_to_all_that_descends_from_them() -> None:
    round_ = make_round()
    judgements = judged(round_, 3)
    snapshot = snapshot_of(round_, judgements[:2])
    policy = checkpoint("policy", round_.base)
    round_.stages.filter(name=Stage.Name.DPO).update(result={"checkpoints": {"variant-1": policy.pk}})
    child = checkpoint("child", policy)
    grandchild = checkpoint("grandchild", child, policy)
    checkpoint("other", round_.base)
    Deployment.objects.create(name="a", checkpoint=child, served_name="a", state=Deployment.State.LIVE)
    Deployment.objects.create(name="b", checkpoint=child, served_name="b", state=Deployment.State.RETIRED)

    learned = learned_from([judgement.pk for judgement in judgements])

    assert [(use.snapshot, use.num_judgements) for use in learned.snapshots] == [(snapshot, 2)]
    assert [(use.checkpoint, use.generation, use.deployed_as) for use in learned.checkpoints] == [
        (policy, 0, ()),
        (child, 1, ("a",)),
        (grandchild, 1, ()),
    ]
    assert learned_from([judgements[2].pk]) == learned_from([]) == Learned()


def test_many_judgements_cost_as_few_statements_as_one(
    django_assert_max_num_queries: object,
) -> None:
    round_ = make_round()
    judgements = judged(round_, 20)
    snapshot_of(round_, judgements)
    with django_assert_max_num_queries(6):  # type: ignore[operator]  # pytest-django's fixture
        learned = learned_from([judgement.pk for judgement in judgements])
    assert learned.snapshots[0].num_judgements == 20
