"""When work will be done, from how much was done on each of the last days. Pure.

Days are taken as independent draws of one distribution: after d days the expected sum is m·d, and its
variance s²·d for the days themselves plus s²·d²/n, because m is only known from n days. The interval is that
of the normal distribution, so it is wide after few days, and honest about it.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

Z_90 = 1.6448536269514722
"""The normal distribution's two-sided 90% point."""
MIN_DAYS = 2
MAX_DAYS = 3650


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """Days from now; `low` and `high` hold nine times in ten."""

    days: float
    low: float
    high: float | None
    """None where even the tenth year may not be enough."""
    per_day: float


def forecast(remaining: int, daily: Sequence[int]) -> Forecast | None:
    """How long `remaining` takes, given the counts of whole days, also of those with nothing.

    None where fewer than two days are known, or nothing was done on them.
    """
    if len(daily) < MIN_DAYS or not any(daily):
        return None
    mean, spread = fmean(daily), stdev(daily)

    def total(days: float, z: float) -> float:
        return mean * days + z * spread * math.sqrt(days + days * days / len(daily))

    return Forecast(
        days=remaining / mean,
        low=_days_until(remaining, lambda days: total(days, Z_90)) or 0.0,
        high=_days_until(remaining, lambda days: total(days, -Z_90)),
        per_day=mean,
    )


def _days_until(remaining: int, total: Callable[[float], float]) -> float | None:
    """The first time from which `total` stays at or above `remaining`; None beyond MAX_DAYS."""
    if remaining <= 0:
        return 0.0
    if total(MAX_DAYS) < remaining:
        return None
    low, high = 0.0, float(MAX_DAYS)
    while high - low > 0.01:
        middle = (low + high) / 2
        low, high = (low, middle) if total(middle) >= remaining else (middle, high)
    return high
