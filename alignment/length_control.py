"""How often one policy would beat another if their answers were equally long.

Pure. Judges, people and reward models alike, like length for its own sake: a policy can win by rambling.
Comes in: for each prompt its comparisons, each an outcome (1 won, 0 lost, 0.5 tied) and by how much the
answer was longer. Goes out: the figures of a report. (Dubois et al. 2024, "Length-Controlled AlpacaEval":
a logistic regression on the difference in length, read where it is zero.)
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import pstdev

from alignment.accuracy import Z_95

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
    """Newton's method on the two coefficients; the variance is the clustered sandwich's."""
    differences = [difference for rows in comparisons.values() for _, difference in rows]
    if not differences:
        raise ValueError("There are no comparisons to take a win rate of.")
    scale = pstdev(differences) or 1.0
    prompts = [
        [(outcome, math.tanh(difference / scale)) for outcome, difference in rows]
        for rows in comparisons.values()
    ]
    quality = effect = 0.0
    for _ in range(MAX_ITERATIONS):
        inverse = inverted(hessian(prompts, quality, effect))
        slopes = [slope(rows, quality, effect) for rows in prompts]
        gradient = (
            sum(first for first, _ in slopes) - RIDGE * quality,
            sum(second for _, second in slopes) - RIDGE * effect,
        )
        step = times(inverse, gradient)
        quality, effect = quality + step[0], effect + step[1]
        if max(map(abs, step)) < CONVERGED:
            break
    inverse = inverted(hessian(prompts, quality, effect))
    moved = [times(inverse, slope(rows, quality, effect)) for rows in prompts]
    return Fit(quality=quality, effect=effect, variance=sum(first * first for first, _ in moved))


Pair = tuple[float, float]
Matrix = tuple[Pair, Pair]


def slope(rows: Sequence[Comparison], quality: float, effect: float) -> Pair:
    """A prompt's part of the log-likelihood's gradient."""
    residuals = [(outcome - sigmoid(quality + effect * length), length) for outcome, length in rows]
    return sum(residual for residual, _ in residuals), sum(
        residual * length for residual, length in residuals
    )


def hessian(prompts: Sequence[Sequence[Comparison]], quality: float, effect: float) -> Matrix:
    """The negative second derivatives of the log-likelihood."""
    first = cross = second = 0.0
    for rows in prompts:
        for _, length in rows:
            rate = sigmoid(quality + effect * length)
            weight = rate * (1 - rate)
            first += weight
            cross += weight * length
            second += weight * length * length
    return (first + RIDGE, cross), (cross, second + RIDGE)


def inverted(matrix: Matrix) -> Matrix:
    """The inverse of a symmetric 2 x 2 matrix."""
    (first, cross), (_, second) = matrix
    determinant = first * second - cross * cross
    return (second / determinant, -cross / determinant), (-cross / determinant, first / determinant)


def times(matrix: Matrix, vector: Pair) -> Pair:
    """Matrix times vector."""
    return (
        matrix[0][0] * vector[0] + matrix[0][1] * vector[1],
        matrix[1][0] * vector[0] + matrix[1][1] * vector[1],
    )


def sigmoid(value: float) -> float:
    """The logistic function, without overflow."""
    return 1 / (1 + math.exp(-value)) if value >= 0 else math.exp(value) / (1 + math.exp(value))
