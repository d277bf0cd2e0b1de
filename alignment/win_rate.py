"""How often one policy beats another: the mean outcome and a 95% interval that respects the prompts.

Pure. Comes in: for each prompt the outcomes of its comparisons (1 won, 0 lost, 0.5 tied). Goes out: the
figures of a report. The evaluation program feeds it the reward model's verdicts (a proxy), the demo the
gold preference's.
"""

from collections.abc import Mapping, Sequence
from statistics import fmean, variance
from typing import Any

from alignment.accuracy import wilson_interval


def win_rate(
    outcomes: Mapping[str, Sequence[float]],
) -> dict[str, Any]:  # Any: figures, written as JSON
    """{"value", "low", "high", "comparisons"} of outcomes by prompt id.

    Outcomes of one prompt are alike, so prompts and not comparisons are the independent draws: `value` is
    the mean of the prompts' means, and the interval is Wilson's with the number of draws that has the
    variance found between prompts (Miller 2024, "Adding error bars to evals", clustered errors). Wilson's
    stays inside 0 and 1 and keeps a width when every prompt has the same outcome. Raises ValueError where
    there are no comparisons, or an outcome outside 0 to 1.
    """
    rates = [fmean(values) for values in outcomes.values() if values]
    if not rates:
        raise ValueError("There are no comparisons to take a win rate of.")
    if any(not 0 <= value <= 1 for values in outcomes.values() for value in values):
        raise ValueError("An outcome must lie between 0 (lost) and 1 (won).")
    value = fmean(rates)
    num_draws = effective_draws(rates)
    low, high = wilson_interval(value * num_draws, num_draws)
    comparisons = sum(len(values) for values in outcomes.values())
    return {"value": value, "low": low, "high": high, "comparisons": comparisons}


def effective_draws(rates: Sequence[float]) -> int:
    """How many wins or losses drawn one by one would give a mean as certain as that of `rates`.

    More than there are prompts when each prompt averages several outcomes or ties, never fewer: a mean of
    values between 0 and 1 varies at most as much as that of wins and losses.
    """
    value = fmean(rates)
    spread = variance(rates) if len(rates) > 1 else 0.0
    if spread == 0:
        return len(rates)
    return max(len(rates), round(value * (1 - value) / spread * len(rates)))


def outcome(reward: float, other: float) -> float:
    """1 for the higher reward, 0.5 for a tie, 0 for the lower."""
    return 1.0 if reward > other else 0.5 if reward == other else 0.0


def paired_outcomes(rewards: Sequence[float], others: Sequence[float]) -> list[float]:
    """Every answer of one policy against every answer of the other to the same prompt."""
    return [outcome(reward, other) for reward in rewards for other in others]
