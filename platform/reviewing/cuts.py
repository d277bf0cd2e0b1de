"""The places where one threshold may be, and what each of them costs. Pure: numpy alone.

A threshold decides only over documents that nothing else drops. Its places are between their values: a cut
keeps so many of the lowest different values, counted by the threshold's sign, and drops the rest.

Shapes as in `reviewing.verdicts`; N documents that it decides over, M their different values.
"""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np

from reviewing.thresholds import Threshold
from reviewing.verdicts import Bools, Floats, Ints, Sample


@dataclass(frozen=True, kw_only=True)
class Cuts:
    """The cuts of one threshold, from 0 to M."""

    threshold: Threshold
    free_D: Bools
    """The documents that it decides over."""
    bad_N: Bools
    level_N: Ints
    """Which of the different values a document has."""
    distinct_M: Floats
    """Rising; the threshold drops what is higher."""
    present: int
    """The cut of the threshold in force."""

    @classmethod
    def of(cls, sample: Sample, place: int, bounds_K: Floats) -> Self | None:
        """Those of the threshold of this place, all others at `bounds_K`; None where it decides over none."""
        threshold = sample.thresholds[place]
        hit_DK = sample.hits(bounds_K)
        hit_DK[:, place] = False
        free_D = ~(sample.other_D | hit_DK.any(axis=1)) & ~np.isnan(sample.value_DK[:, place])
        if not free_D.any():
            return None
        distinct_M, level_N = np.unique(threshold.sign * sample.value_DK[free_D, place], return_inverse=True)
        return cls(
            threshold=threshold,
            free_D=free_D,
            bad_N=sample.bad_D[free_D],
            level_N=level_N,
            distinct_M=distinct_M,
            present=int(np.searchsorted(distinct_M, threshold.sign * threshold.bound, side="right")),
        )

    def costs(self, weight_BN: Floats, good_cost: float) -> Floats:
        """What each cut costs by each row of weights, [B, M + 1]."""
        order = np.argsort(self.level_N, kind="stable")
        ends = np.searchsorted(self.level_N[order], np.arange(len(self.distinct_M)), side="right") - 1
        kept_bad_BN = np.cumsum(weight_BN[:, order] * self.bad_N[order], axis=1)
        kept_good_BN = np.cumsum(weight_BN[:, order] * ~self.bad_N[order], axis=1)
        none_B1 = np.zeros((len(weight_BN), 1))
        bad_BM = np.hstack([none_B1, kept_bad_BN[:, ends]])
        good_BM = np.hstack([none_B1, kept_good_BN[:, ends]])
        return bad_BM + good_cost * (good_BM[:, -1:] - good_BM)

    def cheapest(self, cost_BM: Floats) -> Ints:
        """The cut of least cost of each row; of equal ones the nearest to the present. One that drops
        everything is none, unless it is in force."""
        cut_M = np.arange(len(self.distinct_M) + 1)
        cost_BM = np.where(cut_M >= min(1, self.present), cost_BM, np.inf)
        least_B1 = cost_BM.min(axis=1, keepdims=True)
        is_least_BM = cost_BM <= least_B1 * (1 + 1e-12) + 1e-12
        nearness_M = np.abs(cut_M - self.present)
        return np.asarray(np.where(is_least_BM, nearness_M, np.iinfo(np.int64).max).argmin(axis=1))

    def gains(self, cut_N: Ints, good_cost: float) -> Floats:
        """What each document saves where its cut is this one and not the present, [N]."""

        def cost_N(dropped_N: Bools) -> Floats:
            return np.where(self.bad_N, ~dropped_N * 1.0, dropped_N * good_cost)

        return cost_N(self.level_N >= self.present) - cost_N(self.level_N >= cut_N)

    def bound(self, cut: int) -> float:
        """The roundest bound that keeps the values of the cut and no others; the one in force at its own."""
        if cut == self.present:
            return self.threshold.bound
        lowest = float(self.distinct_M[cut - 1])
        highest = float(self.distinct_M[cut]) if cut < len(self.distinct_M) else math.inf
        if self.threshold.sign < 0:
            return 0.0 - roundest(lowest, highest)  # no -0
        return max(lowest, min(roundest(lowest, highest), self.threshold.most))


def roundest(lowest: float, beyond: float) -> float:
    """The number with the fewest digits from `lowest` on, below `beyond`."""
    size = max(abs(lowest), 0.0 if math.isinf(beyond) else abs(beyond))
    if not size:
        return 0.0
    start = math.floor(math.log10(size))
    for digits in range(-1 if math.isfinite(beyond) else 1, 17):
        step = 10.0 ** (start - digits)
        number = float(f"{math.ceil(lowest / step - 1e-9) * step:.15g}") + 0.0  # no -0
        if lowest <= number < beyond:
            return number
    return lowest
