"""How sure one can be of what several people said of one comparison: Dawid and Skene's model, one unit of it.

Each person prefers the better answer with a probability of their own, whichever side it is on, and
independently of the others. Before anybody has spoken both sides are as likely, or as likely as a reward
model says. Bayes' rule then gives the probability that the majority's side is the better one.

Sources: Dawid and Skene, Maximum Likelihood Estimation of Observer Error-Rates Using the EM Algorithm
(1979), for the model; Sheng, Provost and Ipeirotis, Get Another Label? (2008), for asking only where it is
uncertain.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log

PRIOR_RELIABILITY = 0.75
"""Of somebody of whom nothing is known."""

LEAST_RELIABILITY, MOST_RELIABILITY = 0.5, 0.99
"""Nobody counts as perfect, and nobody's word is turned round: who is worse than chance says nothing."""

LEAST_PREDICTED = 0.1
"""A reward model's word counts for no more than this, or one minus it: it has read none of the judgements."""


@dataclass(frozen=True, kw_only=True)
class Vote:
    """One person's side."""

    left: bool
    reliability: float | None = None
    """The probability that they prefer the better answer; None where nobody knows."""


def left_is_better(votes: Sequence[Vote], *, predicted: float | None = None) -> float:
    """The probability that left is better. `predicted`: a reward model's, in place of a half."""
    before = 0.5 if predicted is None else min(max(predicted, LEAST_PREDICTED), 1 - LEAST_PREDICTED)
    logit = _logit(before)
    for vote in votes:
        weight = _logit(_reliability(vote))
        logit += weight if vote.left else -weight
    return 1 / (1 + exp(-logit))


def majority_certainty(votes: Sequence[Vote], *, predicted: float | None = None) -> float:
    """The probability that the side which more people prefer is the better one; a half where they are even.

    Not the side that the model itself finds likelier: records are made of what people said, so somebody
    more is asked where the few are believed more than the many, or a reward model more than all.
    """
    num_left = sum(vote.left for vote in votes)
    if 2 * num_left == len(votes):
        return 0.5
    left = left_is_better(votes, predicted=predicted)
    return left if 2 * num_left > len(votes) else 1 - left


def _reliability(vote: Vote) -> float:
    known = PRIOR_RELIABILITY if vote.reliability is None else vote.reliability
    return min(max(known, LEAST_RELIABILITY), MOST_RELIABILITY)


def _logit(probability: float) -> float:
    return log(probability / (1 - probability))
