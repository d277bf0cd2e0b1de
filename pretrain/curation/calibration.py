"""Scores turned into probabilities by isotonic regression. Pure.

Comes in: a classifier's scores of labelled documents that it has not learned from. Goes out: a step function
from score to probability, by the pool-adjacent-violators algorithm (Zadrozny and Elkan, Transforming
classifier scores into accurate multiclass probability estimates, 2002), and how well it does on further ones.
"""

import numpy as np
from numpy.typing import ArrayLike
from pydantic import BaseModel, ConfigDict

NUM_BINS = 10


class Calibration(BaseModel):
    """A rising function from score to probability, straight between its points."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    scores: tuple[float, ...]
    """Rising."""
    probabilities: tuple[float, ...]
    """Never falling, strictly between 0 and 1."""

    def probability(self, score: float) -> float:
        """The probability of a good document."""
        return float(np.interp(score, self.scores, self.probabilities))


def fitted(scores: ArrayLike, labels: ArrayLike, weights: ArrayLike | None = None) -> Calibration:
    """The isotonic fit; each step holds Laplace's one good and one bad document more, so that none is sure.

    `weights` say for how many documents each stands, where not all for as many; they should be 1 on average.
    Raises ValueError without both labels.
    """
    values, truth = np.asarray(scores, dtype=float), np.asarray(labels, dtype=float)
    if not (0 < truth.sum() < len(truth)):
        raise ValueError("A calibration takes documents of both labels: give more.")
    distinct, inverse = np.unique(values, return_inverse=True)
    weight = np.ones(len(truth)) if weights is None else np.asarray(weights, dtype=float)
    num = np.bincount(inverse, weights=weight)
    good = np.bincount(inverse, weights=weight * truth)
    blocks: list[tuple[float, float, float, float]] = []  # lowest score, highest, good, documents
    for score, block_good, block_num in zip(distinct, good, num, strict=True):
        low, high = float(score), float(score)
        if not block_num:
            continue
        while blocks and blocks[-1][2] / blocks[-1][3] >= block_good / block_num:
            before = blocks.pop()
            low, block_good, block_num = before[0], before[2] + block_good, before[3] + block_num
        blocks.append((low, high, block_good, block_num))
    points: dict[float, float] = {}
    highest = 0.0
    for low, high, block_good, block_num in blocks:
        highest = max(highest, (block_good + 1) / (block_num + 2))
        points[low] = points[high] = highest
    return Calibration(scores=tuple(points), probabilities=tuple(points.values()))


class CalibrationFigures(BaseModel):
    """How good probabilities are on documents that nothing was fitted to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    num_documents: int
    accuracy: float
    """At 0.5."""
    area_under_curve: float
    """The chance that a good document is above a bad one, ties as one half."""
    brier: float
    """Mean squared error of the probability."""
    expected_error: float
    """Expected calibration error over ten equal bins (Naeini et al. 2015)."""


def figures(
    probabilities: ArrayLike, labels: ArrayLike, weights: ArrayLike | None = None
) -> CalibrationFigures:
    """What held-out documents say, each for as many as its weight; the area under the curve heeds none."""
    values, truth = np.asarray(probabilities, dtype=float), np.asarray(labels, dtype=float)
    weight = np.ones(len(truth)) if weights is None else np.asarray(weights, dtype=float)
    total = max(float(weight.sum()), np.finfo(float).tiny)
    bins = np.minimum((values * NUM_BINS).astype(int), NUM_BINS - 1)
    gaps = np.abs(np.bincount(bins, weights=weight * (values - truth), minlength=NUM_BINS))
    return CalibrationFigures(
        num_documents=len(values),
        accuracy=float((weight * ((values >= 0.5) == (truth > 0.5))).sum() / total),
        area_under_curve=area_under_curve(values, truth),
        brier=float((weight * (values - truth) ** 2).sum() / total),
        expected_error=float(gaps.sum()) / total,
    )


def area_under_curve(values: np.ndarray, truth: np.ndarray) -> float:
    """Mann and Whitney's statistic; 0.5 where a label is missing."""
    num_good, num_bad = int(truth.sum()), int(len(truth) - truth.sum())
    if not num_good or not num_bad:
        return 0.5
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return float((ranks[truth > 0.5].sum() - num_good * (num_good + 1) / 2) / (num_good * num_bad))
