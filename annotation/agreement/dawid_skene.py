"""Dawid and Skene's model: how reliable each rater is, and what each unit is, learned from each other.

Source: Dawid and Skene, Maximum Likelihood Estimation of Observer Error-Rates Using the EM Algorithm
(1979). A unit has one true class; a rater who sees class j says l with a probability of their own. EM
starts from each unit's share of votes and goes on until the log-likelihood (with the smoothing's term)
grows by less than `tolerance` a rating, or for `max_steps`.

Shapes: R ratings, U units, A raters, V classes.
"""

from dataclasses import dataclass

import numpy as np

from annotation.agreement.ratings import Floats, Ratings

SMOOTHING = 1.0
TOLERANCE = 1e-7
MAX_STEPS = 100
SMALLEST = 1e-12
"""In place of a probability of nought, of which there is no logarithm."""


@dataclass(frozen=True, kw_only=True)
class DawidSkene:
    """What EM found."""

    confusion_AVV: Floats
    """[rater, true class, said class], rows summing to 1."""
    prior_V: Floats
    posterior_UV: Floats
    """What each unit is; the prior for a unit that nobody rated."""
    num_steps: int
    converged: bool

    def reliability(self) -> Floats:
        """Each rater's probability to say the truth, [A]: the confusion's diagonal weighed by the prior."""
        return np.einsum("avv,v->a", self.confusion_AVV, self.prior_V)


def dawid_skene(
    ratings: Ratings,
    *,
    smoothing: float = SMOOTHING,
    tolerance: float = TOLERANCE,
    max_steps: int = MAX_STEPS,
) -> DawidSkene | None:
    """Fit the model; None where no unit was rated twice, for then nothing can be learned of anybody.

    `smoothing` is added to each cell of a rater's expected counts (a symmetric Dirichlet prior), so that
    who rated little is thought to be neither perfect nor hopeless; 0 is the paper's plain likelihood.
    """
    counts_UV = ratings.counts()
    if not (counts_UV.sum(axis=1) > 1).any():
        return None
    rated_U = counts_UV.sum(axis=1) > 0
    # Classes first: numpy sums over a long last axis fast, over a short one slowly.
    posterior_VU = _normalized(counts_UV.T.astype(np.float64))
    before, step, converged = -np.inf, 0, False
    while True:
        prior_V = np.maximum(posterior_VU[:, rated_U].mean(axis=1), SMALLEST)
        confusion_AVV = _confusion(ratings, posterior_VU, smoothing)
        if converged or step == max_steps:
            break
        log_VU = np.log(prior_V)[:, None] + _log_likelihoods(ratings, confusion_AVV)
        highest_U = log_VU.max(axis=0)
        joint_VU = np.exp(log_VU - highest_U)
        posterior_VU = _normalized(joint_VU)
        gained = float((highest_U + np.log(joint_VU.sum(axis=0)))[rated_U].sum())
        gained += smoothing * float(np.log(confusion_AVV).sum())
        converged = gained - before < tolerance * len(ratings.unit_R)
        before, step = gained, step + 1
    return DawidSkene(
        confusion_AVV=confusion_AVV,
        prior_V=prior_V,
        posterior_UV=posterior_VU.T,
        num_steps=step,
        converged=converged,
    )


def _normalized(weights_VU: Floats) -> Floats:
    """Columns that sum to 1; equal shares where a column is empty."""
    sum_U = weights_VU.sum(axis=0)
    return np.where(sum_U > 0, weights_VU / np.where(sum_U > 0, sum_U, 1.0), 1.0 / len(weights_VU))


def _confusion(ratings: Ratings, posterior_VU: Floats, smoothing: float) -> Floats:
    num_classes = ratings.num_levels
    cells_R = ratings.rater_R * num_classes + ratings.level_R
    shape = (ratings.num_raters, num_classes)
    expected_AVV = smoothing + np.stack(
        [
            np.bincount(cells_R, weights=of_class_U[ratings.unit_R], minlength=shape[0] * shape[1]).reshape(
                shape
            )
            for of_class_U in posterior_VU
        ],
        axis=1,
    )
    sum_AV1 = expected_AVV.sum(axis=2, keepdims=True)
    shares_AVV = np.where(sum_AV1 > 0, expected_AVV / np.where(sum_AV1 > 0, sum_AV1, 1.0), 1.0 / num_classes)
    return np.maximum(shares_AVV, SMALLEST)


def _log_likelihoods(ratings: Ratings, confusion_AVV: Floats) -> Floats:
    """log P(ratings of the unit | its class), [V, U]."""
    log_AVV = np.log(confusion_AVV)
    return np.stack(
        [
            np.bincount(
                ratings.unit_R,
                weights=log_AVV[:, true][ratings.rater_R, ratings.level_R],
                minlength=ratings.num_units,
            )
            for true in range(ratings.num_levels)
        ]
    )
