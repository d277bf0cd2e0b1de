"""Which stratum a document is in: which filter dropped it, and how near it is to a threshold. Pure.

Comes in: the verdicts of a pilot sample, then those of each document. Goes out: the name of one stratum for
each, so that the strata part the corpus. Those near a threshold tell most of where it should be (stratified
sampling: Cochran, Sampling Techniques, 1977, chapter 5); the others keep estimates of the whole right.
"""

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

from reviewing.thresholds import Threshold

NEAR_KEPT = 0.1
"""Of the kept documents that a filter measured, those nearest to its bound."""
NEAR_DROPPED = 0.5
"""Of the documents that one filter alone dropped, those nearest to its bound."""
KEPT = "kept"
DROPPED, NEAR = "dropped", "near"
"""Kinds of the other strata."""


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What the filters said of one document."""

    values: Mapping[str, float]
    """What was measured, by filter."""
    dropped_by: tuple[str, ...]
    """The filters that dropped it."""


class Strata:
    """The strata, as a pilot sample and the counts of drops draw them."""

    def __init__(
        self, thresholds: Sequence[Threshold], pilot: Iterable[Judged], num_dropped: Mapping[str, int]
    ) -> None:
        """`num_dropped` counts the whole corpus by filter."""
        self._thresholds = thresholds
        self._num_dropped = Counter(num_dropped)
        judged = list(pilot)
        self._kept: dict[str, list[float]] = {}
        self._dropped: dict[str, list[float]] = {}
        for threshold in thresholds:
            self._kept[threshold.key] = sorted(
                -beyond
                for each in judged
                if not each.dropped_by and (beyond := distance(threshold, each.values)) is not None
            )
            self._dropped[threshold.key] = sorted(
                beyond
                for each in judged
                if each.dropped_by == (threshold.filter,)
                and (beyond := distance(threshold, each.values)) is not None
                and beyond > 0
            )

    def name(self, document: Judged) -> str:
        """The one stratum of the document."""
        if len(document.dropped_by) > 1:
            # The rarest filter, so that each has documents.
            rarest = min(document.dropped_by, key=lambda name: (self._num_dropped[name], name))
            return f"dropped by {rarest} and others"
        if document.dropped_by:
            return self._of_dropped(document.dropped_by[0], document.values)
        return self._of_kept(document.values)

    def _of_dropped(self, filter_: str, values: Mapping[str, float]) -> str:
        for threshold in self._thresholds:
            beyond = distance(threshold, values)
            if threshold.filter == filter_ and beyond is not None and beyond > 0:
                among = self._dropped[threshold.key]
                is_near = not among or share_within(among, beyond) <= NEAR_DROPPED
                return f"dropped by {filter_}, {'near' if is_near else 'far'} {threshold.side}"
        return f"dropped by {filter_}"

    def _of_kept(self, values: Mapping[str, float]) -> str:
        nearest = min(
            (
                (share_within(self._kept[threshold.key], -beyond), threshold.key)
                for threshold in self._thresholds
                if (beyond := distance(threshold, values)) is not None
            ),
            default=None,
        )
        if nearest is None or nearest[0] > NEAR_KEPT:
            return KEPT
        filter_, side = nearest[1].rsplit(":", 1)
        return f"kept, near {filter_} {side}"


def distance(threshold: Threshold, values: Mapping[str, float]) -> float | None:
    """How far beyond the bound the value is, below 0 inside; None where nothing was measured."""
    value = values.get(threshold.filter)
    return None if value is None else threshold.sign * (value - threshold.bound)


def share_within(among: Sequence[float], value: float) -> float:
    """The share of the sorted values up to this one; of none the whole."""
    return bisect_right(among, value) / len(among) if among else 1.0


def allocation(populations: Mapping[str, int], size: int) -> dict[str, int]:
    """How many documents to draw from each stratum: `size` in all, or everything where there are fewer.

    Half of them from the dropped; of the kept a third from those near no threshold. Inside of a kind by the
    root of a stratum's documents (Bankier, Power allocations, 1988): equal parts leave too little of the
    large strata, and with it of the corpus, proportional ones too little of a rare filter's. What a small
    stratum cannot fill goes to the others. Dealt out by Sainte-Laguë's divisors.
    """
    parts = {DROPPED: 1 / 2, NEAR: 1 / 3, KEPT: 1 / 6}
    roots = dict.fromkeys(parts, 0.0)
    for name, number in populations.items():
        roots[kind_of(name)] += math.sqrt(number)

    def weight(name: str) -> float:
        return parts[kind_of(name)] * math.sqrt(populations[name]) / roots[kind_of(name)]

    drawn = dict.fromkeys(populations, 0)
    queue = [(-weight(name), name) for name, number in populations.items() if number]
    heapify(queue)
    for _ in range(min(size, sum(populations.values()))):
        _, name = heappop(queue)
        drawn[name] += 1
        if drawn[name] < populations[name]:
            heappush(queue, (-weight(name) / (2 * drawn[name] + 1), name))
    return drawn


def kind_of(stratum: str) -> str:
    """DROPPED, NEAR or KEPT."""
    if stratum == KEPT:
        return KEPT
    return DROPPED if stratum.startswith(DROPPED) else NEAR
