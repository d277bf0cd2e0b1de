"""Krippendorff's α: agreement of any number of raters, with missing ratings, corrected for chance.

Source: Krippendorff, Computing Krippendorff's Alpha-Reliability (2011). α = 1 - D_o / D_e, the observed
over the expected disagreement: 1 is perfect agreement, 0 what chance gives, below 0 worse than chance.

Shapes: U units, V levels, P patterns, B bootstrap samples.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from annotation.agreement.ratings import Floats, Ratings

Metric = Literal["nominal", "ordinal", "interval"]

NUM_SAMPLES = 1000
CONFIDENCE = 0.95
MIN_DEFINED = 0.5
"""No interval where fewer of the bootstrap samples than this have an α."""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A figure with its confidence interval."""

    value: float
    low: float | None
    high: float | None
    """None where too little was rated for an interval."""


def alpha(ratings: Ratings, metric: Metric, values: tuple[float, ...] | None = None) -> float | None:
    """α over all units that at least two raters rated.

    `values` are what the levels stand for, for the interval metric: their places where left out. None
    where no unit was rated twice, or where all ratings are the same: then chance would agree as well.
    """
    patterns_PV, num_P = _patterns(ratings)
    coincidences_1VV = _total(num_P[None, :], patterns_PV)
    found = _alphas(coincidences_1VV, metric, _values(ratings, values))[0]
    return None if np.isnan(found) else float(found)


def alpha_interval(
    ratings: Ratings,
    metric: Metric,
    values: tuple[float, ...] | None = None,
    *,
    seed: int,
    num_samples: int = NUM_SAMPLES,
    confidence: float = CONFIDENCE,
) -> Interval | None:
    """α with a percentile bootstrap over units; None where α is not defined.

    Units that were rated alike are drawn together: the counts of equal patterns of a sample of units are
    multinomial, so the cost does not grow with the number of units.
    """
    value = alpha(ratings, metric, values)
    if value is None:
        return None
    patterns_PV, num_P = _patterns(ratings)
    random = np.random.default_rng(seed)
    drawn_BP = random.multinomial(int(num_P.sum()), num_P / num_P.sum(), size=num_samples)
    sampled_BVV = _total(drawn_BP.astype(np.float64), patterns_PV)
    alphas_B = _alphas(sampled_BVV, metric, _values(ratings, values))
    defined = alphas_B[~np.isnan(alphas_B)]
    if len(defined) < MIN_DEFINED * num_samples or num_P.sum() < 2:
        return Interval(value=value, low=None, high=None)
    low, high = np.quantile(defined, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(value=value, low=float(low), high=float(high))


def _values(ratings: Ratings, values: tuple[float, ...] | None) -> Floats:
    found = np.arange(ratings.num_levels) if values is None else np.array(values)
    assert len(found) == ratings.num_levels, (len(found), ratings.num_levels)
    return found.astype(np.float64)


def _patterns(ratings: Ratings) -> tuple[Floats, Floats]:
    """The different rows [P, V] of how many gave each level to a unit, and how many units [P] have each.

    Without units that fewer than two rated.
    """
    counts_UV = ratings.counts()
    pairable_UV = counts_UV[counts_UV.sum(axis=1) > 1]
    radix = int(pairable_UV.max(initial=0)) + 1
    if radix**ratings.num_levels > np.iinfo(np.int64).max:
        patterns_PV, num_P = np.unique(pairable_UV, axis=0, return_counts=True)
    else:
        # Each row as one number: comparing whole rows took twenty times as long.
        code_U = pairable_UV @ radix ** np.arange(ratings.num_levels, dtype=np.int64)
        _, first_P, num_P = np.unique(code_U, return_index=True, return_counts=True)
        patterns_PV = pairable_UV[first_P]
    return patterns_PV.astype(np.float64), num_P.astype(np.float64)


def _total(times_BP: Floats, patterns_PV: Floats) -> Floats:
    """The coincidences of as many units of each pattern, [B, V, V]."""
    return np.einsum("bp,pvw->bvw", times_BP, _coincidences(patterns_PV))


def _coincidences(counts_PV: Floats) -> Floats:
    """Pairs of levels within a unit, [P, V, V]: both orders, each unit weighing as much as it has ratings."""
    pairs_PVV = counts_PV[:, :, None] * counts_PV[:, None, :]
    levels = np.arange(counts_PV.shape[1])
    pairs_PVV[:, levels, levels] -= counts_PV
    return pairs_PVV / (counts_PV.sum(axis=1) - 1)[:, None, None]


def _alphas(coincidences_BVV: Floats, metric: Metric, values_V: Floats) -> Floats:
    """α of each matrix of coincidences; NaN where it is not defined."""
    num_BV = coincidences_BVV.sum(axis=2)
    distance_BVV = _distances(num_BV, metric, values_V)
    observed_B = (coincidences_BVV * distance_BVV).sum(axis=(1, 2))
    expected_B = (num_BV[:, :, None] * num_BV[:, None, :] * distance_BVV).sum(axis=(1, 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        found_B = 1.0 - (num_BV.sum(axis=1) - 1) * observed_B / expected_B
    return np.where(expected_B > 0, found_B, np.nan)


def _distances(num_BV: Floats, metric: Metric, values_V: Floats) -> Floats:
    """Squared distances of levels. Ordinal ones depend on how often each level was given: they are those
    of the levels' mean ranks."""
    if metric == "nominal":
        return np.broadcast_to(1.0 - np.eye(num_BV.shape[1]), (*num_BV.shape, num_BV.shape[1]))
    places_BV = (
        np.cumsum(num_BV, axis=1) - num_BV / 2
        if metric == "ordinal"
        else np.broadcast_to(values_V, num_BV.shape)
    )
    return np.square(places_BV[:, :, None] - places_BV[:, None, :])
