"""Runs whose law is known: made from published constants, with noise from a seed."""

import numpy as np

from pretrain.scaling.points import RunPoint

BUDGETS = (6e18, 3e19, 1e20, 6e20, 3e21, 1e22)
"""The range of Llama 3's small runs (section 3.2.1)."""

E, A, B, ALPHA, BETA = 1.69, 406.4, 410.7, 0.34, 0.28
"""Chinchilla's loss E + A / N^α + B / D^β for N weights and D tokens (Hoffmann et al. 2022, section 3.3)."""
EXPONENT = ALPHA / (ALPHA + BETA)
"""Of the best D for 6 · N · D FLOPs (their section 3.3, equation 4)."""
SPLIT = (ALPHA * A / (BETA * B)) ** (1 / (ALPHA + BETA))
COEFFICIENT = 6**-EXPONENT / SPLIT


def best_tokens(flops: float) -> float:
    """Chinchilla's best number of tokens, in closed form."""
    return COEFFICIENT * flops**EXPONENT


def best_loss(flops: float) -> float:
    """And the loss there."""
    tokens = best_tokens(flops)
    return E + A / (flops / 6 / tokens) ** ALPHA + B / tokens**BETA


def chinchilla_runs(noise: float, seed: int, num_runs: int = 8) -> list[RunPoint]:
    """Runs around the best, their losses with normal noise."""
    draw = np.random.default_rng(seed)
    points: list[RunPoint] = []
    for flops in BUDGETS:
        for off in np.linspace(-0.6, 0.6, num_runs):
            tokens = best_tokens(flops) * 10**off
            loss = E + A / (flops / 6 / tokens) ** ALPHA + B / tokens**BETA
            points.append(RunPoint(budget=flops, num_tokens=tokens, loss=float(loss + noise * draw.normal())))
    return points


def parabola_runs(
    exponent: float,
    coefficient: float,
    noise: float,
    seed: int,
    accuracy_of: tuple[float, float] | None = None,
) -> list[RunPoint]:
    """Runs whose parabolas have their lowest points at coefficient · C^exponent; likelihood of right answers
    is the loss over 3, and accuracy a sigmoid of it with this middle and slope."""
    draw = np.random.default_rng(seed)
    points: list[RunPoint] = []
    for flops in BUDGETS:
        best = np.log10(coefficient) + exponent * np.log10(flops)
        for off in np.linspace(-0.6, 0.6, 7):
            loss = 60 * flops**-0.07 + 0.08 * off**2 + noise * draw.normal()
            middle, slope = accuracy_of or (0.0, 1.0)
            accuracy = 0.25 + 0.75 / (1 + np.exp(slope * (loss / 3 - middle)))
            points.append(
                RunPoint(
                    budget=flops,
                    num_tokens=float(10 ** (best + off)),
                    loss=float(loss),
                    answer_nll=float(loss / 3),
                    accuracy=float(accuracy) if accuracy_of else None,
                )
            )
    return points
