"""From the weights of a mix to the loss of a model trained on it, at its size and at a larger one. Pure.

Comes in: weights and losses of small runs, and of a few larger ones. Goes out: predictions with their errors
on runs that were left out. The law is L(w) = c + k · exp(Σ t_i · w_i) (Ye et al. 2024, Data Mixing Laws); a
larger model's loss is taken to be linear in a small one's at the same weights (Liu et al. 2024, RegMix, find
the order of mixes alike at both sizes).

Shapes: M mixes, S sources.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pretrain.failures import ProgramError

Losses = NDArray[np.float64]
Weights = NDArray[np.float64]
Predict = Callable[[Weights], Losses]
NUM_FLOORS = 200
RIDGE = 1e-6
"""Keeps the exponents finite where mixes are few."""


@dataclass(frozen=True)
class MixLaw:
    """A fitted law."""

    floor: float
    """c, nats per token."""
    log_scale: float
    exponents_S: NDArray[np.float64]

    @classmethod
    def fit(cls, weights_MS: Weights, losses_M: Losses) -> Self:
        """For each c the rest is a linear regression of log(L - c); the c of the least squares in L is taken.

        Raises ProgramError where there are fewer mixes than the law has numbers.
        """
        num_mixes, num_sources = weights_MS.shape
        if num_mixes < num_sources + 1:
            raise ProgramError(
                f"{num_mixes} mixes of {num_sources} sources are too few for a law: train at least "
                f"{num_sources + 1}."
            )
        best: tuple[float, Self] | None = None
        lowest, spread = float(losses_M.min()), float(np.ptp(losses_M)) or 1e-3
        # From just below the lowest loss, where the law bends most, to far below it, where it is a plane.
        for distance in np.geomspace(0.02 * spread, 50 * spread, NUM_FLOORS):
            law = cls._with_floor(weights_MS, losses_M, max(0.0, lowest - float(distance)))
            error = float(np.square(law.predict(weights_MS) - losses_M).sum())
            if best is None or error < best[0]:
                best = (error, law)
        assert best is not None
        return best[1]

    @classmethod
    def _with_floor(cls, weights_MS: Weights, losses_M: Losses, floor: float) -> Self:
        logs_M = np.log(losses_M - floor)
        mean = float(logs_M.mean())
        # Weights add up to 1: the scale is among the exponents until they are centred.
        gram_SS = weights_MS.T @ weights_MS + RIDGE * np.eye(weights_MS.shape[1])
        solved_S = np.linalg.solve(gram_SS, weights_MS.T @ (logs_M - mean))
        exponents_S = solved_S.astype(np.float64)
        shift = float(exponents_S.mean())
        return cls(floor, mean + shift, exponents_S - shift)

    def predict(self, weights_MS: Weights) -> Losses:
        """Losses of mixes, nats per token."""
        predicted: Losses = self.floor + np.exp(self.log_scale + weights_MS @ self.exponents_S)
        return predicted


@dataclass(frozen=True)
class HeldOut:
    """How far predictions were off for runs that they had not seen."""

    mean_error: float
    """Mean absolute error, nats per token."""
    mean_error_of_mean: float
    """The same of a prediction that ignores the weights: the mean of the other runs."""
    rank_correlation: float
    """Spearman's, of predicted and measured losses."""


def law_held_out(weights_MS: Weights, losses_M: Losses) -> HeldOut:
    """Each run predicted by the law of the others."""
    predicted: list[float] = []
    for place in range(len(losses_M)):
        law = MixLaw.fit(np.delete(weights_MS, place, 0), np.delete(losses_M, place))
        predicted.append(float(law.predict(weights_MS[[place]])[0]))
    return held_out(np.array(predicted), losses_M)


def larger_held_out(law: MixLaw, weights_MS: Weights, losses_M: Losses) -> HeldOut:
    """Each larger run predicted from its weights by the small runs' law and the other larger runs."""
    small_M = law.predict(weights_MS)
    predicted = [
        float(np.polyval(line(np.delete(small_M, place), np.delete(losses_M, place)), small_M[place]))
        for place in range(len(losses_M))
    ]
    return held_out(np.array(predicted), losses_M)


def line(small_M: Losses, larger_M: Losses) -> NDArray[np.float64]:
    """Slope and height of the larger models' losses over the small ones'; of one run, its height."""
    if len(small_M) < 2 or np.ptp(small_M) == 0:
        return np.array([1.0, float((larger_M - small_M).mean())])
    found: NDArray[np.float64] = np.polyfit(small_M, larger_M, 1)
    return found


def held_out(predicted_M: Losses, losses_M: Losses) -> HeldOut:
    """Errors of predictions."""
    others_M = (losses_M.sum() - losses_M) / (len(losses_M) - 1)
    return HeldOut(
        mean_error=float(np.abs(predicted_M - losses_M).mean()),
        mean_error_of_mean=float(np.abs(others_M - losses_M).mean()),
        rank_correlation=rank_correlation(predicted_M, losses_M),
    )


def rank_correlation(one_M: Losses, other_M: Losses) -> float:
    """Spearman's, for values without ties."""
    ranks = [np.argsort(np.argsort(values)).astype(float) for values in (one_M, other_M)]
    if len(one_M) < 2:
        return 0.0
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def candidate_weights(num_mixes: int, sources: Sequence[str], seed: int, least: float) -> Weights:
    """Mixes drawn evenly from all there are, each source with at least `least` of it."""
    draw = np.random.default_rng(seed)
    even_MS = draw.dirichlet(np.ones(len(sources)), num_mixes)
    weights: Weights = least + (1 - least * len(sources)) * even_MS
    return weights
