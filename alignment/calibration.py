"""Whether a reward model is as sure as it is right: its probabilities against what people chose.

Pure. A reward model trained by the Bradley-Terry loss says that the response with reward a beats that with
reward b with the probability sigmoid(a - b). Comes in: (strength, margin) pairs of held-out judgements, the
margin that of the response people preferred. Goes out: the figures of a report and of its reliability
diagram.

A pair has two orientations. The folded form is used: the confidence sigmoid(|margin|), from 1/2 to 1, against
how often people agreed with the model's choice. Both orientations would draw the same curve twice, mirrored
at (1/2, 1/2), and would count every pair twice, so that the intervals would be too narrow.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean
from typing import Any

from alignment.accuracy import wilson_interval
from alignment.length_control import sigmoid
from annotation.records import Strength

NUM_BINS = 10
"""Of equal width, over confidences from 1/2 to 1."""
MAX_DOUBLINGS = 60
NUM_HALVINGS = 60


def calibration(
    pairs: Sequence[tuple[str, float]],
) -> dict[str, Any]:  # Any: nested figures, written as JSON
    """The calibration on `pairs` of (strength, margin of the preferred response over the other).

    {"num_pairs", "accuracy", "confidence", "ece", "brier", "nll", "temperature", "nll_at_temperature",
    "bins", "by_strength": {strength: the first six, strongest first}}. `confidence` is the mean of what the
    model gave its own choices: above `accuracy` it is too sure. `ece` is the expected calibration error, the
    mean distance between confidence and accuracy over the bins, weighted by their pairs (Naeini et al. 2015);
    few pairs make it look worse than it is. `brier` is the mean squared error of the probability given to the
    preferred response (Brier 1950; a coin has 0.25), `nll` the mean negative log of that probability in nats
    (a coin has 0.693). `temperature` is what the margins should be divided by (Guo et al. 2017, section 4.2),
    found on these same pairs; None where none is best: every pair right, or more wrong than right. `bins` are
    those with pairs in them: {"from", "to", "num_pairs", "confidence", "accuracy", "low", "high"}, the last
    two Wilson's 95% interval of the accuracy. Raises ValueError where there are no pairs.
    """
    if not pairs:
        raise ValueError("There are no pairs to measure a calibration on.")
    margins = [margin for _, margin in pairs]
    temperature = best_temperature(margins)
    return {
        **figures(margins),
        "temperature": temperature,
        "nll_at_temperature": None
        if temperature is None
        else fmean(softplus(-margin / temperature) for margin in margins),
        "bins": reliability_bins(margins),
        "by_strength": {
            strength.value: figures(found)
            for strength in Strength
            if (found := [margin for name, margin in pairs if name == strength])
        },
    }


def figures(margins: Sequence[float]) -> dict[str, float]:
    """The figures of one group of pairs."""
    return {
        "num_pairs": len(margins),
        "accuracy": fmean(map(agreement, margins)),
        "confidence": fmean(map(confidence, margins)),
        "ece": sum(
            each["num_pairs"] * abs(each["accuracy"] - each["confidence"])
            for each in reliability_bins(margins)
        )
        / len(margins),
        "brier": fmean(sigmoid(-margin) ** 2 for margin in margins),
        "nll": fmean(softplus(-margin) for margin in margins),
    }


def reliability_bins(margins: Sequence[float]) -> list[dict[str, float]]:
    """The bins that have pairs, by rising confidence."""
    edges = [0.5 + 0.5 * place / NUM_BINS for place in range(NUM_BINS + 1)]
    found: list[list[float]] = [[] for _ in range(NUM_BINS)]
    for margin in margins:
        found[min(NUM_BINS - 1, int((confidence(margin) - 0.5) * 2 * NUM_BINS))].append(margin)
    bins = []
    for (low_edge, high_edge), inside in zip(pairwise(edges), found, strict=True):
        if not inside:
            continue
        num_right = sum(map(agreement, inside))
        low, high = wilson_interval(num_right, len(inside))
        bins.append(
            {
                "from": round(low_edge, 6),
                "to": round(high_edge, 6),
                "num_pairs": len(inside),
                "confidence": fmean(map(confidence, inside)),
                "accuracy": num_right / len(inside),
                "low": low,
                "high": high,
            }
        )
    return bins


def best_temperature(margins: Sequence[float]) -> float | None:
    """What to divide the margins by for the least negative log-likelihood; None where no number is best.

    The likelihood is convex in 1 / temperature, so the zero of its slope is found by halving.
    """
    if sum(margins) <= 0 or min(margins) >= 0:
        return None

    def slope(inverse: float) -> float:
        return -sum(margin * sigmoid(-inverse * margin) for margin in margins)

    low, high = 0.0, 1.0 / fmean(map(abs, margins))
    for _ in range(MAX_DOUBLINGS):
        if slope(high) >= 0:
            break
        low, high = high, 2 * high
    for _ in range(NUM_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(middle) < 0 else (low, middle)
    return 1 / high


def confidence(margin: float) -> float:
    """The probability that the model gives its own choice."""
    return sigmoid(abs(margin))


def agreement(margin: float) -> float:
    """1 where people chose as the model did, 0 where they did not, 0.5 where it had no choice."""
    return 1.0 if margin > 0 else 0.5 if margin == 0 else 0.0


def softplus(value: float) -> float:
    """log(1 + exp(value)), without overflow."""
    return max(value, 0.0) + math.log1p(math.exp(-abs(value)))
