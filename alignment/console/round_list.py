"""The rows of the list of rounds: state, progress, win rate and time, in a few statements a page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet

from alignment.models import Round, Stage

Rate = dict[str, Any]  # Any: JSON


@dataclass(frozen=True, kw_only=True)
class RoundRow:
    """One round of the list."""

    round: Round
    stages: list[dict[str, Any]]  # Any: JSON
    """Name and state of each, in order."""
    active: str
    """The name of the stage under way; empty where none is."""
    num_ended: int
    seconds: float
    """Since the launch, or what it took."""
    win_rate: Rate | None
    """Value, low and high."""
    over: str
    """What the win rate is over."""
    reward_accuracy: float | None


def rounds_listed(*, project: str = "", state: str = "") -> QuerySet[Round]:
    """Rounds, newest first, of one project and in one state if these are given."""
    found = Round.objects.select_related("project", "base").defer("base__recipe", "base__metrics")
    if project:
        found = found.filter(project__slug=project)
    return found.filter(state=state) if state in Round.State.values else found


def round_rows(rounds: Sequence[Round], now: datetime) -> list[RoundRow]:
    """The rows for a page of rounds."""
    stages: dict[int, list[dict[str, Any]]] = {round_.pk: [] for round_ in rounds}  # Any: JSON
    fields = ("round_id", "name", "state")
    for stage in Stage.objects.filter(round__in=rounds).order_by("position").values(*fields):
        stages[stage["round_id"]].append({**stage, "label": Stage.Name(stage["name"]).label})
    # Of the results, which are long, only what is shown.
    figures = Stage.objects.filter(round__in=rounds, name=Stage.Name.EVALUATION).values_list(
        "round_id", "result__win_rate", "result__reward_model__accuracy"
    )
    found = {round_id: (rates or {}, accuracy) for round_id, rates, accuracy in figures}
    return [_row(round_, stages[round_.pk], *found.get(round_.pk, ({}, None)), now) for round_ in rounds]


def _row(
    round_: Round,
    stages: list[dict[str, Any]],  # Any: JSON
    rates: dict[str, Rate],
    accuracy: float | None,
    now: datetime,
) -> RoundRow:
    over = next((name for name in ("previous", "base") if name in rates), "")
    ended = [stage for stage in stages if stage["state"] == Stage.State.FINISHED]
    going = [stage for stage in stages if stage["state"] not in (Stage.State.FINISHED, Stage.State.PENDING)]
    return RoundRow(
        round=round_,
        stages=stages,
        active=str(going[0]["label"]) if going and round_.state != Round.State.FINISHED else "",
        num_ended=len(ended),
        seconds=((round_.finished_at or now) - round_.created_at) / timedelta(seconds=1),
        win_rate=rates.get(over),
        over=over,
        reward_accuracy=accuracy,
    )
