"""Steps that are skipped because their gradient is far larger than those before. Pure.

Comes in: each step's gradient norm. Goes out: whether the optimizer may use it. What is remembered is part of
every checkpoint, so that a killed training decides the same again.

(Chowdhery et al. 2022, "PaLM", section 5.1: batches around a spike are skipped.)
"""

from collections.abc import Sequence
from dataclasses import dataclass

DECAY = 0.98
"""Of the running mean of norms: about fifty steps."""
FIRST_JUDGED = 20
"""Steps before the mean says enough: the first gradients are the largest."""
MOST_IN_A_ROW = 10
"""Skipped steps after which the training stops: it is then no accident of a batch."""
NAMED = 5
"""Documents that a sentence names."""


@dataclass
class SpikeMemory:
    """What a checkpoint remembers of the norms."""

    mean: float = 0.0
    """Of the norms of steps that were taken, those far back weighing less."""
    num_taken: int = 0
    num_in_a_row: int = 0
    """Skipped since the last step that was taken."""

    def limit(self, factor: float | None) -> float:
        """The norm above which a step is skipped: `factor` times the mean; infinite while none is."""
        if factor is None or self.num_taken < FIRST_JUDGED:
            return float("inf")
        return factor * self.mean

    def add(self, norm: float, *, skipped: bool) -> None:
        """Take in a step's norm; that of a skipped step leaves the mean as it is."""
        if skipped:
            self.num_in_a_row += 1
            return
        self.num_taken += 1
        self.num_in_a_row = 0
        # Early on the plain mean of all: a running one would lean on the first.
        weight = max(1 - DECAY, 1 / self.num_taken)
        self.mean += weight * (norm - self.mean)


def named(numbers: Sequence[int]) -> str:
    """The first of some documents by their numbers (from 0), as people count them."""
    first = ", ".join(str(number + 1) for number in numbers[:NAMED])
    return f"numbers {first}{' and more' if len(numbers) > NAMED else ''}"
