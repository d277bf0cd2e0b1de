"""How often one policy would beat another if their answers were equally long.

Pure. Judges, people and reward models alike, like length for its own sake: a policy can win by rambling.
Comes in: for each prompt its comparisons, each an outcome (1 won, 0 lost, 0.5 tied) and by how much the
answer was longer. Goes out: the figures of a report. (Dubois et al. 2024, "Length-Controlled AlpacaEval":
a logistic regression on the difference in length, read where it is zero.)
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alignment.accuracy import Z_95

Floats = NDArray[np.float64]
Comparison = tuple[float, float]
"""The outcome, and the answer's length less the other's."""

RIDGE = 0.01
"""Keeps the fit finite where every outcome is the same."""
MAX_ITERATIONS = 50
CONVERGED = 1e-9


@dataclass(frozen=True, kw_only=True)
class Fit:
    """log odds = quality + effect · tanh(difference in length / its standard deviation)."""

    quality: float
    effect: float
    variance: float
    """Of `quality`, with prompts as the independent draws."""


def length_controlled_win_rate(comparisons: Mapping[str, Sequence[Comparison]]) -> dict[str, float]:
    """{"value", "low", "high", "length_effect"}: the win rate at equal lengths with its 95% interval.

    `length_effect` is the log odds that a standard deviation more of length is worth (times tanh 1).
    Raises ValueError where there are no comparisons.
    """
    fitted = fit(comparisons)
    half = Z_95 * math.sqrt(fitted.variance)
    return {
        "value": sigmoid(fitted.quality),
        "low": sigmoid(fitted.quality - half),
        "high": sigmoid(fitted.quality + half),
        "length_effect": fitted.effect,
    }


def fit(comparisons: Mapping[str, Sequence[Comparison]]) -> Fit:
    """Newton's method on the two coefficients; the variance is the clustered sandwich's.

    Shapes: N comparisons, P prompts.
    """
    told_N2 = np.array([row for rows in comparisons.values() for row in rows], dtype=np.float64).reshape(
        -1, 2
    )
    if not len(told_N2):
        raise ValueError("There are no comparisons to take a win rate of.")
    prompt_N = np.repeat(np.arange(len(comparisons)), [len(rows) for rows in comparisons.values()])
    outcome_N, difference_N = told_N2.T
    length_N = np.tanh(difference_N / (difference_N.std() or 1.0))
    known_N2 = np.stack([np.ones_like(length_N), length_N], axis=1)
    ridge_22 = RIDGE * np.eye(2)
    coefficients_2 = np.zeros(2)
    for _ in range(MAX_ITERATIONS):
        rate_N = rates(known_N2 @ coefficients_2)
        gradient_2 = known_N2.T @ (outcome_N - rate_N) - RIDGE * coefficients_2
        step_2 = np.linalg.solve(hessian(known_N2, rate_N) + ridge_22, gradient_2)
        coefficients_2 += step_2
        if np.abs(step_2).max() < CONVERGED:
            break
    rate_N = rates(known_N2 @ coefficients_2)
    slope_P2 = np.zeros((len(comparisons), 2))
    np.add.at(slope_P2, prompt_N, known_N2 * (outcome_N - rate_N)[:, None])
    moved_P2 = np.linalg.solve(hessian(known_N2, rate_N) + ridge_22, slope_P2.T).T
    quality, effect = coefficients_2.tolist()
    return Fit(quality=quality, effect=effect, variance=float((moved_P2[:, 0] ** 2).sum()))


def hessian(known_N2: Floats, rate_N: Floats) -> Floats:
    """The negative second derivatives of the log-likelihood, (2, 2)."""
    weighted_N2 = known_N2 * (rate_N * (1 - rate_N))[:, None]
    return np.asarray(known_N2.T @ weighted_N2)


def rates(log_odds_N: Floats) -> Floats:
    """The logistic function, without overflow."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * log_odds_N)))


def sigmoid(value: float) -> float:
    """The logistic function, without overflow."""
    return 1 / (1 + math.exp(-value)) if value >= 0 else math.exp(value) / (1 + math.exp(value))
