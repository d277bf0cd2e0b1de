"""The numbers of a sift recipe that people's verdicts may move, and the recipe with other ones. Pure.

What keeps evaluation texts, personal data and listed domains out is nobody's taste: it is not among them.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

HEURISTICS = "heuristics"
SHARES = frozenset({"max_share", "min_probability"})
"""Fields that are between 0 and 1."""


class Threshold(BaseModel):
    """A bound of what one filter measures; documents beyond it are dropped, at it they are kept."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    filter: str
    """The name of its verdict."""
    side: Literal["low", "high"]
    """`low` drops below the bound, `high` above it."""
    bound: float
    path: tuple[str, ...]
    """Where it stands in the recipe."""

    @property
    def key(self) -> str:
        """What tells it from the recipe's others."""
        return f"{self.filter}:{self.side}"

    @property
    def sign(self) -> int:
        """By which values are multiplied so that higher ones are dropped."""
        return 1 if self.side == "high" else -1

    @property
    def most(self) -> float:
        """The highest number that the recipe takes."""
        return 1.0 if self.path[-1] in SHARES else float("inf")


def with_bounds(
    recipe: Mapping[str, Any], thresholds: Sequence[Threshold], bounds: Mapping[str, float]
) -> dict[str, Any]:  # Any: JSON
    """The recipe, as JSON, with other bounds by the keys of `thresholds`.

    A heuristic's own bounds stand in the stead of its rule's, so both of its sides are written.
    """
    changed: dict[str, Any] = deepcopy(dict(recipe))
    for threshold in thresholds:
        siblings = {f"{threshold.filter}:low", f"{threshold.filter}:high"}
        if not siblings & bounds.keys():
            continue
        if threshold.path[0] != HEURISTICS and threshold.key not in bounds:
            continue
        place = changed
        for name in threshold.path[:-1]:
            place = place.setdefault(name, {})
        place[threshold.path[-1]] = bounds.get(threshold.key, threshold.bound)
    return changed


def parsed(rows: Sequence[Mapping[str, Any]]) -> tuple[Threshold, ...]:  # Any: JSON
    """The thresholds that a review has stored."""
    return tuple(Threshold.model_validate(row) for row in rows)
