"""Reads what admins overrode with a reason: at launch, at the data gate, at the gate before deploying.

For the round's page and report, and for the cards of the models that it made.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from alignment.models import Round, RoundForecast, Stage
from registry.models import Checkpoint


@dataclass(frozen=True, kw_only=True)
class Override:
    """One thing that was overridden."""

    stage: str
    """The stage's name: "data_gate" or "gate"; "launch" where a round was launched all the same."""
    by: str
    """A username; empty for the command line."""
    reason: str
    problems: tuple[str, ...]
    """What was overridden, a sentence each."""


def round_overrides(round_: Round) -> list[Override]:
    """What was overridden in the round, in the order in which it was."""
    kept = RoundForecast.objects.filter(round=round_).values_list("override", flat=True).first()
    at_launch = [_override("launch", kept, ())] if kept else []
    at_gates = [
        _override(stage.name, stage.result["override"], stage.result.get("problems", ()))
        for stage in sorted(round_.stages.all(), key=lambda stage: stage.position)
        # What the data gate took over from the launch is the launch's.
        if "override" in stage.result and stage.result["override"] != kept
    ]
    return at_launch + at_gates


def _override(stage: str, kept: dict[str, Any], problems: Sequence[str]) -> Override:  # Any: JSON
    return Override(
        stage=stage,
        by=kept["by"],
        reason=kept["reason"],
        problems=tuple(kept.get("problems") or problems),
    )


def overrides_report(round_: Round) -> list[dict[str, Any]]:  # Any: JSON
    """The same for programs."""
    return [{**asdict(each), "problems": list(each.problems)} for each in round_overrides(round_)]


def not_through_their_gate(checkpoints: Sequence[Checkpoint]) -> list[str]:
    """The names of those that a round made whose gate has not opened: not evaluated, or found wanting.

    Models that no round made, such as a base, have no gate to pass.
    """
    opened: dict[int, bool] = {}
    gates = dict(Stage.objects.filter(name=Stage.Name.GATE).values_list("round_id", "state"))
    made = Stage.objects.filter(result__has_key="checkpoints").values_list("round_id", "result__checkpoints")
    for round_id, ids in made:
        for pk in ids.values():
            opened[pk] = opened.get(pk, False) or gates.get(round_id) == Stage.State.FINISHED
    return [checkpoint.name for checkpoint in checkpoints if not opened.get(checkpoint.pk, True)]
