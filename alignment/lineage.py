"""What learned from a judgement: the snapshots that hold it, and the checkpoints trained on those.

The other way round from `registry.selectors.lineage`, which walks up from a checkpoint. Three or four
queries, and one for each generation of descendants.
"""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from alignment.models import Round, Snapshot, Stage
from registry.models import Checkpoint, CheckpointParent, Deployment

Made = dict[int, tuple[int, Stage.Name, str]]
"""Round, stage and name in it, of each checkpoint that a round made."""


@dataclass(frozen=True, kw_only=True)
class SnapshotUse:
    """A snapshot that holds some of the judgements."""

    snapshot: Snapshot
    """With its round and project."""
    num_judgements: int
    """How many of those asked about are in it."""


@dataclass(frozen=True, kw_only=True)
class CheckpointUse:
    """A checkpoint that learned from some of the judgements."""

    checkpoint: Checkpoint
    generation: int
    """0 where it was trained on such a snapshot or shard; n where it descends from one in n steps."""
    deployed_as: tuple[str, ...]
    """The names under which it answers now."""


@dataclass(frozen=True, kw_only=True)
class Learned:
    """Everything that learned from some judgements, in the order in which it was made."""

    snapshots: tuple[SnapshotUse, ...] = ()
    checkpoints: tuple[CheckpointUse, ...] = ()


def learned_from(judgement_ids: Collection[int]) -> Learned:
    """The snapshots that hold any of these judgements, and all checkpoints that learned from them."""
    links = Snapshot.judgements.through.objects.filter(judgement_id__in=list(judgement_ids))
    counts = Counter(links.values_list("snapshot_id", flat=True))
    found = Snapshot.objects.select_related("round__project").filter(pk__in=counts).order_by("pk")
    snapshots = tuple(
        SnapshotUse(snapshot=snapshot, num_judgements=counts[snapshot.pk]) for snapshot in found
    )
    return Learned(
        snapshots=snapshots, checkpoints=trained_by(snapshot.snapshot.round for snapshot in snapshots)
    )


def trained_by(rounds: Iterable[Round]) -> tuple[CheckpointUse, ...]:
    """The checkpoints that the rounds made, and everything that descends from those."""
    results = Stage.objects.filter(round__in=list(rounds)).values_list("result", flat=True)
    return descending_from({pk for result in results for pk in result.get("checkpoints", {}).values()})


def descending_from(checkpoint_ids: set[int]) -> tuple[CheckpointUse, ...]:
    """These checkpoints and everything that descends from them, in the order in which it was made."""
    generations = _with_descendants(checkpoint_ids)
    deployed: dict[int, list[str]] = {}
    live = Deployment.objects.filter(checkpoint__in=generations, state=Deployment.State.LIVE).order_by("pk")
    for deployment in live:
        deployed.setdefault(deployment.checkpoint_id, []).append(deployment.name)
    return tuple(
        CheckpointUse(
            checkpoint=checkpoint,
            generation=generations[checkpoint.pk],
            deployed_as=tuple(deployed.get(checkpoint.pk, ())),
        )
        for checkpoint in Checkpoint.objects.filter(pk__in=generations).order_by("pk")
    )


def made_by_rounds(checkpoint_ids: Collection[int] | None = None) -> Made:
    """Which round, stage and program made each checkpoint; one statement over the stages that made any."""
    stages = Stage.objects.filter(result__has_key="checkpoints").values_list(
        "round_id", "name", "result__checkpoints"
    )
    return {
        pk: (round_id, Stage.Name(stage), name)
        for round_id, stage, made in stages.order_by("pk")
        for name, pk in made.items()
        if checkpoint_ids is None or pk in checkpoint_ids
    }


def round_of(checkpoint: Checkpoint) -> Round | None:
    """The round that made the checkpoint, with its project, base and snapshot; None from outside."""
    made = made_by_rounds({checkpoint.pk}).get(checkpoint.pk)
    if made is None:
        return None
    return Round.objects.select_related("project", "base", "snapshot").filter(pk=made[0]).first()


def _with_descendants(made: set[int]) -> dict[int, int]:
    """The checkpoints and all below them, with the fewest steps to each."""
    generations = dict.fromkeys(made, 0)
    newest, steps = made, 0
    while newest:
        steps += 1
        children = CheckpointParent.objects.filter(parent__in=newest).values_list("child_id", flat=True)
        newest = set(children) - generations.keys()
        generations |= dict.fromkeys(newest, steps)
    return generations
