"""How often a reward model agrees with people: accuracy on held-out pairs, with its interval, by strength.

Pure: nothing of torch or Django. Comes in: held-out preference records and the rewards of their responses,
or (strength, margin) pairs. Goes out: the figures of a report. The reward program measures its own model
with it, the evaluation program the averaged one.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from annotation.records import PreferenceRecord, Strength

Z_95 = 1.959963984540054
"""The normal distribution's two-sided 95% point."""


def judged_pairs(record: PreferenceRecord) -> list[tuple[int, int]]:
    """The pairs (better, worse) of a record's responses that its strength speaks of.

    The best response of a model against each worse one. An edit was written after the judgement and is
    better by construction, so it is left out, unless only one response of a model is there to compare.
    """
    first = 1 if record.responses[0].origin == "edited" and len(record.responses) > 2 else 0
    return [(first, worse) for worse in range(first + 1, len(record.responses))]


def judged_margins(record: PreferenceRecord, rewards: Sequence[float]) -> list[tuple[str, float]]:
    """The record's (strength, margin) pairs for `pair_accuracy`; `rewards` in the responses' order."""
    assert len(rewards) == len(record.responses), (len(rewards), len(record.responses))
    return [
        (record.strength.value, rewards[better] - rewards[worse]) for better, worse in judged_pairs(record)
    ]


def pair_accuracy(
    pairs: Sequence[tuple[str, float]],
) -> dict[str, Any]:  # Any: nested figures, written as JSON
    """The part of `pairs` (strength, margin of the better over the worse) with a positive margin.

    A tie counts half. Returns {"accuracy", "low", "high", "num_pairs", "by_strength"}: `low` and `high`
    are the 95% interval, `by_strength` has the same four figures for each strength that occurs, strongest
    first. Raises ValueError where there are no pairs.
    """
    if not pairs:
        raise ValueError("There are no pairs to measure an accuracy on.")
    by_strength = {
        strength.value: figures(margins)
        for strength in Strength
        if (margins := [margin for name, margin in pairs if name == strength])
    }
    return {**figures([margin for _, margin in pairs]), "by_strength": by_strength}


def longer_wins_accuracy(
    records: Iterable[PreferenceRecord],
) -> dict[str, Any] | None:  # Any: nested figures, written as JSON
    """`pair_accuracy` of preferring the response with more characters; None where there are no pairs.

    The shortcut that a reward model must beat.
    """
    pairs = [
        pair
        for record in records
        for pair in judged_margins(record, [len(response.content) for response in record.responses])
    ]
    return pair_accuracy(pairs) if pairs else None


def figures(margins: Sequence[float]) -> dict[str, float]:
    """Accuracy, its 95% interval and the number of pairs of one group."""
    num_pairs = len(margins)
    num_right = sum(1.0 if margin > 0 else 0.5 if margin == 0 else 0.0 for margin in margins)
    low, high = wilson_interval(num_right, num_pairs)
    return {"accuracy": num_right / num_pairs, "low": low, "high": high, "num_pairs": num_pairs}


def wilson_interval(num_right: float, num_pairs: int, z: float = Z_95) -> tuple[float, float]:
    """Wilson's score interval of a proportion; halves from ties are taken as they are (a little too wide)."""
    rate = num_right / num_pairs
    spread = z * z / num_pairs
    centre = (rate + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(rate * (1 - rate) / num_pairs + spread / num_pairs / 4)
    return max(0.0, centre - half), min(1.0, centre + half)
