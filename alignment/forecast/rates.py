"""How long a stage takes, from how long it took in earlier rounds. Pure.

A stage takes a start-up and a rate times its amount of work. Rates are taken as draws of a log-normal
distribution, the newest rounds weighing most. The range is Student's, for rounds are few: its spread is
pooled from the rates seen, the errors of the forecasts made before, and a spread of a fifth worth two
observations, so that one round alone does not look certain. It widens with the distance from the sizes seen.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from alignment.forecast.figures import Basis, Span

PRIOR_SPREAD = 0.2
PRIOR_WEIGHT = 2
DISTANCE_SPREAD = 0.2
"""Spread for each e-fold between the amount asked for and the nearest seen."""
HALF_LIFE = 2.0
"""Rounds after which an observation weighs half."""
MOST_START = 0.8
"""Of the shortest stage seen, that its start-up may be."""
T_90 = (6.314, 2.920, 2.353, 2.132, 2.015, 1.943, 1.895, 1.860, 1.833, 1.812)
"""Student's two-sided 90% points for 1 to 10 degrees of freedom; beyond, the normal distribution's."""
Z_90 = 1.645


@dataclass(frozen=True, kw_only=True)
class Observed:
    """A stage of an earlier round."""

    amount: float
    seconds: float
    starts: int


@dataclass(frozen=True, kw_only=True)
class Prior:
    """What is believed of a rate without any earlier round."""

    seconds_per_amount: float
    spread: float
    """Standard deviation of the logarithm."""
    basis: Basis


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Seconds, and where they come from."""

    seconds: Span
    basis: Basis
    num_rounds: int


def estimate(
    amount: float,
    starts: int,
    observed: Sequence[Observed],
    *,
    start_seconds: float,
    prior: Prior,
    errors: Sequence[float] = (),
) -> Estimate:
    """The seconds of `amount` of work in `starts` programs one after another.

    `observed` are earlier rounds, newest first; `errors` are log(actual / forecast) of the forecasts made
    before, which widen the range by as much as they were wrong.
    """
    seen = [each for each in observed if each.amount > 0 and each.seconds > 0]
    if not seen or amount <= 0:
        factor = math.exp(Z_90 * math.hypot(prior.spread, _rms(errors)))
        seconds = _span(start_seconds * starts, prior.seconds_per_amount * amount, factor)
        return Estimate(seconds=seconds, basis=prior.basis, num_rounds=0)
    start = min(start_seconds, *(MOST_START * each.seconds / max(1, each.starts) for each in seen))
    logs = [math.log((each.seconds - start * each.starts) / each.amount) for each in seen]
    weights = [0.5 ** (age / HALF_LIFE) for age in range(len(seen))]
    mean = sum(weight * log for weight, log in zip(weights, logs, strict=True)) / sum(weights)
    squares = sum((log - mean) ** 2 for log in logs) + sum(error**2 for error in errors)
    degrees = len(logs) - 1 + len(errors) + PRIOR_WEIGHT
    spread = math.sqrt((squares + PRIOR_WEIGHT * PRIOR_SPREAD**2) / degrees)
    distance = min(abs(math.log(amount / each.amount)) for each in seen)
    spread = math.hypot(spread * math.sqrt(1 + 1 / len(logs)), DISTANCE_SPREAD * distance)
    factor = math.exp((T_90[degrees - 1] if degrees <= len(T_90) else Z_90) * spread)
    seconds = _span(start * starts, math.exp(mean) * amount, factor)
    return Estimate(seconds=seconds, basis="history", num_rounds=len(seen))


def _span(start: float, work: float, factor: float) -> Span:
    return Span(expected=start + work, low=start / 2 + work / factor, high=2 * start + work * factor)


def _rms(errors: Sequence[float]) -> float:
    return math.sqrt(sum(error**2 for error in errors) / len(errors)) if errors else 0.0
