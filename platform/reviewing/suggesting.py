"""Where thresholds should be by people's verdicts: where wrong documents cost least. Pure: numpy alone.

A threshold decides only over documents that nothing else drops. Of all places between their values the one
with the least expected cost is taken, a good document dropped counting `good_cost` times a bad one kept
(Elkan, The foundations of cost-sensitive learning, 2001). Its interval is a percentile bootstrap over
documents within strata (Efron and Tibshirani, An introduction to the bootstrap, 1993).

The cheapest of many places looks better than it is. So a threshold is moved only where it is cheaper than the
present one in 95% of the bootstrap samples, and where documents that had no part in choosing it (five folds)
say so, too, by a one-sided test at 5%. Several are moved one after another, the one that gains most first;
what all of them gain is measured by cross-validation of the whole.

Shapes as in `reviewing.verdicts`; M is the number of different values, F of folds.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from reviewing.thresholds import Threshold
from reviewing.verdicts import Bools, Floats, Ints, Outcome, Sample, outcome_of

NUM_SAMPLES = 400
NUM_FOLDS = 5
SURE = 0.95
Z_ONE_SIDED = 1.6448536269514722
"""The normal distribution's one-sided 95% point."""
MIN_DOCUMENTS = 10
"""Fewer documents that a threshold decides over say nothing of it."""


@dataclass(frozen=True, kw_only=True)
class Suggestion:
    """Where one threshold should be, all others as they are."""

    threshold: Threshold
    bound: float
    low: float
    high: float
    """The 95% interval."""
    gain: float
    """What is saved, in documents of the corpus."""
    is_sure: bool
    """Whether it saves something in 95% of the bootstrap samples, and on documents that did not choose it."""
    num_documents: int
    """Judged documents that the threshold decides over."""

    @property
    def moves(self) -> bool:
        """Whether it is worth moving."""
        return self.is_sure and self.bound != self.threshold.bound


def draws(sample: Sample, seed: int, num: int = NUM_SAMPLES) -> Ints:
    """How often each document is in each bootstrap sample, [B + 1, D]; the first is the sample itself."""
    generator = np.random.default_rng(seed)
    counts_BD = np.zeros((num + 1, len(sample.pk_D)), dtype=np.int64)
    counts_BD[0] = 1
    for stratum in np.unique(sample.stratum_D):
        places = np.flatnonzero(sample.stratum_D == stratum)
        counts_BD[1:, places] = generator.multinomial(len(places), np.full(len(places), 1 / len(places)), num)
    return counts_BD


def suggest(
    sample: Sample, place: int, bounds_K: Floats, counts_BD: Ints, good_cost: float
) -> Suggestion | None:
    """Where the threshold of this place should be, all others at `bounds_K`.

    None where it decides over too few documents, or people say the same of all.
    """
    threshold = sample.thresholds[place]
    hit_DK = sample.hits(bounds_K)
    hit_DK[:, place] = False
    free_D = ~(sample.other_D | hit_DK.any(axis=1)) & ~np.isnan(sample.value_DK[:, place])
    bad_D = sample.bad_D[free_D]
    if len(bad_D) < MIN_DOCUMENTS or bad_D.all() or not bad_D.any():
        return None
    # By the sign, a document is dropped where its value is higher.
    value_D = threshold.sign * sample.value_DK[free_D, place]
    distinct_M, level_D = np.unique(value_D, return_inverse=True)
    cost_BM = _costs(level_D, bad_D, counts_BD[:, free_D] * sample.weight_D[free_D], good_cost)
    present = int(np.searchsorted(distinct_M, threshold.sign * threshold.bound, side="right"))
    # A bound below all values would drop everything: only the present one may.
    nearness_M = np.abs(np.arange(len(distinct_M) + 1) - present)
    allowed_M = np.arange(len(distinct_M) + 1) >= min(1, present)
    best_B = _cheapest(cost_BM, nearness_M, allowed_M)
    best = int(best_B[0])
    gain_B = cost_BM[:, present] - cost_BM[:, best]
    fold_D = folds(sample)[free_D]
    kept_FD = (fold_D != np.arange(NUM_FOLDS)[:, None]) * sample.weight_D[free_D]
    cut_F = _cheapest(_costs(level_D, bad_D, kept_FD, good_cost), nearness_M, allowed_M)
    held_gain_D = sample.weight_D[free_D] * _gains(level_D, bad_D, present, cut_F[fold_D], good_cost)
    low, high = (int(np.quantile(best_B[1:], q, method="nearest")) for q in (0.025, 0.975))
    cuts = sorted(_bound(threshold, distinct_M, cut, present) for cut in (low, high))
    return Suggestion(
        threshold=threshold,
        bound=_bound(threshold, distinct_M, best, present),
        low=cuts[0],
        high=cuts[1],
        gain=float(gain_B[0]),
        is_sure=best != present
        and float((gain_B[1:] > 0).mean()) >= SURE
        and float(held_gain_D.sum()) > Z_ONE_SIDED * float(np.sqrt((held_gain_D**2).sum())),
        num_documents=len(bad_D),
    )


def suggest_each(sample: Sample, *, good_cost: float, seed: int) -> dict[str, Suggestion]:
    """Each threshold's suggestion by its key, the others as they are now; of those that have one."""
    counts_BD = draws(sample, seed)
    found = (
        suggest(sample, place, sample.bound_K, counts_BD, good_cost)
        for place in range(len(sample.thresholds))
    )
    return {each.threshold.key: each for each in found if each is not None}


def moved_together(
    sample: Sample,
    *,
    good_cost: float,
    seed: int,
    fixed: Collection[str] = (),
    num_samples: int = NUM_SAMPLES,
) -> dict[str, Suggestion]:
    """The thresholds to move, by key, in the order in which they were chosen; none of the filters `fixed`.

    Each was suggested with those before it moved.
    """
    counts_BD = draws(sample, seed, num_samples)
    bounds_K, chosen = sample.bound_K, dict[str, Suggestion]()
    left = [place for place, each in enumerate(sample.thresholds) if each.filter not in fixed]
    while left:
        found = [(place, suggest(sample, place, bounds_K, counts_BD, good_cost)) for place in left]
        worth = [(place, each) for place, each in found if each is not None and each.moves]
        if not worth:
            break
        place, best = max(worth, key=lambda item: (item[1].gain, -item[0]))
        bounds_K[place] = best.bound
        chosen[best.threshold.key] = best
        # The others only lose by what is chosen: what is not worth moving now is asked again all the same.
        left.remove(place)
    return chosen


def bounds_with(sample: Sample, bounds: dict[str, float]) -> Floats:
    """All bounds, those named in the stead of the present ones."""
    return np.array([bounds.get(each.key, each.bound) for each in sample.thresholds], dtype=float)


def cross_validated(
    sample: Sample, *, good_cost: float, seed: int, fixed: Collection[str] = ()
) -> tuple[Outcome, Outcome]:
    """What the present thresholds come to, and those that are moved: each document under the thresholds that
    were chosen without its fold."""
    fold_D = folds(sample)
    dropped_D = sample.other_D | sample.hits(sample.bound_K).any(axis=1)
    moved_D = dropped_D.copy()
    for fold in range(NUM_FOLDS):
        held_D = fold_D == fold
        if not held_D.any() or held_D.all():
            continue
        chosen = moved_together(
            sample.part(~held_D), good_cost=good_cost, seed=seed, fixed=fixed, num_samples=NUM_SAMPLES // 2
        )
        bounds_K = bounds_with(sample, {key: each.bound for key, each in chosen.items()})
        moved_D[held_D] = (sample.other_D | sample.hits(bounds_K).any(axis=1))[held_D]
    return outcome_of(dropped_D, sample, good_cost), outcome_of(moved_D, sample, good_cost)


def folds(sample: Sample) -> Ints:
    """Each document's fold; strata are dealt out evenly."""
    fold_D = np.zeros(len(sample.pk_D), dtype=np.int64)
    fold_D[np.lexsort((sample.pk_D, sample.stratum_D))] = np.arange(len(fold_D)) % NUM_FOLDS
    return fold_D


def _costs(level_D: Ints, bad_D: Bools, weight_BD: Floats, good_cost: float) -> Floats:
    """What it costs to keep the lowest 0, 1, … M values and to drop the rest, [B, M + 1]."""
    order = np.argsort(level_D, kind="stable")
    ends = np.searchsorted(level_D[order], np.arange(level_D.max() + 1), side="right") - 1
    kept_bad_BD = np.cumsum(weight_BD[:, order] * bad_D[order], axis=1)
    kept_good_BD = np.cumsum(weight_BD[:, order] * ~bad_D[order], axis=1)
    zero_B1 = np.zeros((len(weight_BD), 1))
    bad_BM = np.hstack([zero_B1, kept_bad_BD[:, ends]])
    good_BM = np.hstack([zero_B1, kept_good_BD[:, ends]])
    return bad_BM + good_cost * (good_BM[:, -1:] - good_BM)


def _gains(level_D: Ints, bad_D: Bools, present: int, cut_D: Ints, good_cost: float) -> Floats:
    """What each document saves where its `cut_D` lowest values are kept, not the `present` lowest."""

    def cost_D(dropped_D: Bools) -> Floats:
        return np.where(bad_D, ~dropped_D * 1.0, dropped_D * good_cost)

    return cost_D(level_D >= present) - cost_D(level_D >= cut_D)


def _cheapest(cost_BM: Floats, nearness_M: Ints, allowed_M: Bools) -> Ints:
    """The cut of least cost of each bootstrap sample; of equal ones the nearest to the present."""
    cost_BM = np.where(allowed_M, cost_BM, np.inf)
    least_B1 = cost_BM.min(axis=1, keepdims=True)
    is_least_BM = cost_BM <= least_B1 * (1 + 1e-12) + 1e-12
    return np.asarray(np.where(is_least_BM, nearness_M, np.iinfo(np.int64).max).argmin(axis=1))


def _bound(threshold: Threshold, distinct_M: Floats, cut: int, present: int) -> float:
    """The roundest bound that keeps the `cut` lowest values and no others."""
    if cut == present:
        return threshold.bound
    lowest, highest = float(distinct_M[cut - 1]), math.inf
    if cut < len(distinct_M):
        highest = float(distinct_M[cut])
    if threshold.sign > 0:
        return min(roundest(lowest, highest), threshold.most) if threshold.most >= lowest else lowest
    return 0.0 - roundest(lowest, highest)  # no -0


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
