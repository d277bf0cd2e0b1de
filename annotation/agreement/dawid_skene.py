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
MAX_STEPS = 200
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
    posterior_UV = _normalized(counts_UV.astype(np.float64))
    rated_U = counts_UV.sum(axis=1) > 0
    before, step, converged = -np.inf, 0, False
    while True:
        prior_V = np.maximum(posterior_UV[rated_U].mean(axis=0), SMALLEST)
        confusion_AVV = _confusion(ratings, posterior_UV, smoothing)
        if converged or step == max_steps:
            break
        log_UV = np.log(prior_V) + _log_likelihoods(ratings, confusion_AVV)
        highest_U = log_UV.max(axis=1)
        joint_UV = np.exp(log_UV - highest_U[:, None])
        posterior_UV = _normalized(joint_UV)
        gained = float((highest_U + np.log(joint_UV.sum(axis=1)))[rated_U].sum())
        gained += smoothing * float(np.log(confusion_AVV).sum())
        converged = gained - before < tolerance * len(ratings.unit_R)
        before, step = gained, step + 1
    return DawidSkene(
        confusion_AVV=confusion_AVV,
        prior_V=prior_V,
        posterior_UV=posterior_UV,
        num_steps=step,
        converged=converged,
    )


def _normalized(weights_UV: Floats) -> Floats:
    """Rows that sum to 1; equal shares where a row is empty."""
    sum_U = weights_UV.sum(axis=1, keepdims=True)
    return np.where(sum_U > 0, weights_UV / np.where(sum_U > 0, sum_U, 1.0), 1.0 / weights_UV.shape[1])


def _confusion(ratings: Ratings, posterior_UV: Floats, smoothing: float) -> Floats:
    num_classes = ratings.num_levels
    cells_R = ratings.rater_R * num_classes + ratings.level_R
    num_cells = ratings.num_raters * num_classes
    expected_VAV = np.stack(
        [
            np.bincount(cells_R, weights=posterior_UV[ratings.unit_R, true], minlength=num_cells).reshape(
                ratings.num_raters, num_classes
            )
            for true in range(num_classes)
        ]
    )
    expected_AVV = expected_VAV.transpose(1, 0, 2) + smoothing
    sum_AV1 = expected_AVV.sum(axis=2, keepdims=True)
    shares_AVV = np.where(sum_AV1 > 0, expected_AVV / np.where(sum_AV1 > 0, sum_AV1, 1.0), 1.0 / num_classes)
    return np.maximum(shares_AVV, SMALLEST)


def _log_likelihoods(ratings: Ratings, confusion_AVV: Floats) -> Floats:
    """log P(ratings of the unit | its class), [U, V]."""
    log_RV = np.log(confusion_AVV)[ratings.rater_R, :, ratings.level_R]
    return np.stack(
        [
            np.bincount(ratings.unit_R, weights=log_RV[:, true], minlength=ratings.num_units)
            for true in range(ratings.num_levels)
        ],
        axis=1,
    )
