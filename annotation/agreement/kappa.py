"""Cohen's weighted κ of two raters: agreement corrected for chance, near misses counting in part.

Source: Cohen, Weighted kappa (1968). κ = 1 - Σ w·o / Σ w·e over the table of both raters' levels, with
the weight w growing with the distance of the levels.

Shapes: S units that both rated, V levels, P pairs of raters.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from annotation.agreement.ratings import Floats, Ints, Ratings

Weighting = Literal["linear", "quadratic"]


@dataclass(frozen=True, kw_only=True)
class PairOfRaters:
    """How two raters agree on the units that both rated."""

    first: int
    second: int
    num_shared: int
    same: float
    """The share of shared units to which both gave the same level's side."""
    linear: float | None
    quadratic: float | None
    """Weighted κ of the levels; None where it is not defined."""


def weighted_kappa(
    first_S: Ints, second_S: Ints, weighting: Weighting, values: tuple[float, ...]
) -> float | None:
    """κ of two raters' levels of the same units; `values` are what the levels stand for.

    None where there is no unit, or where both gave one and the same level throughout.
    """
    table_VV = _table(first_S, second_S, len(values))
    return _kappa(table_VV, weighting, np.array(values))


def pairs_of_raters(ratings: Ratings, values: tuple[float, ...], *, limit: int) -> list[PairOfRaters]:
    """The `limit` pairs of raters who share the most units, most first. For an even number of levels."""
    first_S, second_S, pair_S, level_first_S, level_second_S = _shared(ratings)
    if not len(pair_S):
        return []
    names_P, start_P, num_P = np.unique(pair_S, return_index=True, return_counts=True)
    half = ratings.num_levels // 2
    found = []
    for place in np.lexsort((names_P, -num_P))[:limit]:
        of_pair = slice(start_P[place], start_P[place] + num_P[place])
        table_VV = _table(level_first_S[of_pair], level_second_S[of_pair], ratings.num_levels)
        same = table_VV[:half, :half].sum() + table_VV[half:, half:].sum()
        found.append(
            PairOfRaters(
                first=int(first_S[of_pair][0]),
                second=int(second_S[of_pair][0]),
                num_shared=int(num_P[place]),
                same=float(same / num_P[place]),
                linear=_kappa(table_VV, "linear", np.array(values)),
                quadratic=_kappa(table_VV, "quadratic", np.array(values)),
            )
        )
    return found


def _shared(ratings: Ratings) -> tuple[Ints, Ints, Ints, Ints, Ints]:
    """Each two ratings of one unit: raters (the smaller first), the pair's name, both levels; by pair."""
    order_R = np.lexsort((ratings.rater_R, ratings.unit_R))
    unit_R, rater_R, level_R = ratings.unit_R[order_R], ratings.rater_R[order_R], ratings.level_R[order_R]
    most = int(np.bincount(unit_R).max(initial=0))
    firsts, seconds = [], []
    for step in range(1, most):
        place = np.flatnonzero(unit_R[:-step] == unit_R[step:])
        firsts.append(place)
        seconds.append(place + step)
    first = np.concatenate([*firsts, np.empty(0, dtype=np.int64)]).astype(np.int64)
    second = np.concatenate([*seconds, np.empty(0, dtype=np.int64)]).astype(np.int64)
    pair = rater_R[first] * ratings.num_raters + rater_R[second]
    by_pair = np.argsort(pair, kind="stable")
    first, second = first[by_pair], second[by_pair]
    return rater_R[first], rater_R[second], pair[by_pair], level_R[first], level_R[second]


def _table(first_S: Ints, second_S: Ints, num_levels: int) -> Floats:
    flat = np.bincount(first_S * num_levels + second_S, minlength=num_levels * num_levels)
    return flat.reshape(num_levels, num_levels).astype(np.float64)


def _kappa(table_VV: Floats, weighting: Weighting, values_V: Floats) -> float | None:
    num = table_VV.sum()
    if not num:
        return None
    expected_VV = np.outer(table_VV.sum(axis=1), table_VV.sum(axis=0)) / num
    weight_VV = np.abs(values_V[:, None] - values_V[None, :])
    if weighting == "quadratic":
        weight_VV = np.square(weight_VV)
    expected = (weight_VV * expected_VV).sum()
    return float(1.0 - (weight_VV * table_VV).sum() / expected) if expected > 0 else None
