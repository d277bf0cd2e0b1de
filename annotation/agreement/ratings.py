"""Ratings as arrays: which unit, which rater, which level. What the measures of this package take.

A unit is a comparison, a rater an annotator, a level a place on the scale of the values that can be
given. Any number of ratings a unit; a unit that only one rater has rated says nothing of agreement.

Shapes: R ratings, U units, A raters, V levels.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

SIGNED_GRADES = (-4.0, -3.0, -2.0, -1.0, 1.0, 2.0, 3.0, 4.0)
"""The eight grades from "left is significantly better" to "right is". Nobody can say that both are equally
good: the place of the tie, 0, stays empty, so the two weakest grades of different sides lie two apart."""

NUM_SIDES = 2


@dataclass(frozen=True, kw_only=True)
class Ratings:
    """Parallel arrays, one entry a rating. A rater rates a unit at most once."""

    unit_R: Ints
    rater_R: Ints
    level_R: Ints
    num_units: int
    num_raters: int
    num_levels: int

    @classmethod
    def of(cls, units: Ints, raters: Ints, levels: Ints, *, num_levels: int) -> "Ratings":
        """Number units and raters of any names by their sorted order, from 0."""
        assert len(units) == len(raters) == len(levels), (len(units), len(raters), len(levels))
        unit_names, unit_R = np.unique(units, return_inverse=True)
        rater_names, rater_R = np.unique(raters, return_inverse=True)
        return cls(
            unit_R=unit_R,
            rater_R=rater_R,
            level_R=np.asarray(levels, dtype=np.int64),
            num_units=len(unit_names),
            num_raters=len(rater_names),
            num_levels=num_levels,
        )

    def sides(self) -> "Ratings":
        """The same with the preferred side as level: 0 is left, 1 is right. For an even number of levels."""
        assert self.num_levels % 2 == 0, self.num_levels
        return Ratings(
            unit_R=self.unit_R,
            rater_R=self.rater_R,
            level_R=(self.level_R >= self.num_levels // 2).astype(np.int64),
            num_units=self.num_units,
            num_raters=self.num_raters,
            num_levels=NUM_SIDES,
        )

    def where(self, kept_R: NDArray[np.bool_]) -> "Ratings":
        """Only these ratings; units and raters keep their numbers."""
        return Ratings(
            unit_R=self.unit_R[kept_R],
            rater_R=self.rater_R[kept_R],
            level_R=self.level_R[kept_R],
            num_units=self.num_units,
            num_raters=self.num_raters,
            num_levels=self.num_levels,
        )

    def counts(self) -> Ints:
        """How many gave each level to each unit, as [U, V]."""
        cells = self.unit_R * self.num_levels + self.level_R
        flat = np.bincount(cells, minlength=self.num_units * self.num_levels)
        return flat.reshape(self.num_units, self.num_levels)


def percent_agreement(ratings: Ratings) -> float | None:
    """The share of pairs of ratings of one unit that are the same; each unit weighs as its pairs are many.

    None where no unit was rated twice.
    """
    counts_UV = ratings.counts().astype(np.float64)
    of_unit_U = counts_UV.sum(axis=1)
    pairs = float((of_unit_U * (of_unit_U - 1)).sum())
    return float((counts_UV * (counts_UV - 1)).sum()) / pairs if pairs else None


def agreement_with_others(ratings: Ratings) -> tuple[Floats, Ints]:
    """Leave-one-out: of each rater's shared units, the mean share of others who gave the same level.

    Returns it for each of A raters, NaN where nobody else rated a unit of theirs, and how many units it
    is a mean of. Callers turn the NaN into "not defined".
    """
    counts_UV = ratings.counts()
    others_R = counts_UV.sum(axis=1)[ratings.unit_R] - 1
    same_R = counts_UV[ratings.unit_R, ratings.level_R] - 1
    shared_R = others_R > 0
    rater_R = ratings.rater_R[shared_R]
    num_A = np.bincount(rater_R, minlength=ratings.num_raters)
    sum_A = np.bincount(rater_R, weights=same_R[shared_R] / others_R[shared_R], minlength=ratings.num_raters)
    with np.errstate(invalid="ignore"):
        return sum_A / num_A, num_A
