"""Which examples each step takes, and how a step is cut into microbatches.

Pure functions of the step and the seed, so that a killed program goes on with the same batches.
"""

import math
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Generic, TypeVar

import torch

from alignment.programs import OptimizerConfig

BatchT = TypeVar("BatchT")


def num_steps(num_examples: int, optimizer: OptimizerConfig) -> int:
    """Optimizer steps of the whole training; the last one may be cut short."""
    return math.ceil(num_drawn(num_examples, optimizer) / optimizer.batch_size)


def num_drawn(num_examples: int, optimizer: OptimizerConfig) -> int:
    """How many examples are drawn over all epochs: at least one."""
    return max(1, round(num_examples * optimizer.num_epochs))


def step_examples(step: int, num_examples: int, optimizer: OptimizerConfig, seed: int) -> list[int]:
    """The indices of the examples of `step` (from 0): each epoch is a shuffle of its own.

    Epochs follow each other without a gap, so a step may hold the end of one and the start of the next.
    """
    first = step * optimizer.batch_size
    after = min(first + optimizer.batch_size, num_drawn(num_examples, optimizer))
    return [
        epoch_order(num_examples, place // num_examples, seed)[place % num_examples]
        for place in range(first, after)
    ]


@lru_cache(maxsize=2)
def epoch_order(num_examples: int, epoch: int, seed: int) -> list[int]:
    """The order in which an epoch takes the examples."""
    generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
    order: list[int] = torch.randperm(num_examples, generator=generator).tolist()
    return order


class LaidOut(Generic[BatchT]):
    """A step's microbatches, each laid out when it is asked for: a process lays out only its own."""

    def __init__(self, cut: Sequence[list[int]], lay_out: Callable[[list[int]], BatchT]) -> None:
        self._cut = cut
        self._lay_out = lay_out

    def __len__(self) -> int:
        return len(self._cut)

    def __getitem__(self, place: int, /) -> BatchT:
        return self._lay_out(self._cut[place])

    def __iter__(self) -> Iterator[BatchT]:
        return map(self._lay_out, self._cut)

    def then(self, change: Callable[[BatchT], BatchT]) -> "LaidOut[BatchT]":
        """The same, each microbatch changed after it is laid out."""
        return LaidOut(self._cut, lambda examples: change(self._lay_out(examples)))


def microbatches(lengths: Sequence[int], max_tokens: int, num_processes: int = 1) -> list[list[int]]:
    """Cut examples of these lengths into microbatches of at most `max_tokens` tokens, as even as can be.

    As few as can be, but a whole number for each process. Sorted by length, so that rows that are padded for
    attention meet their like. An example longer than `max_tokens` is alone in its microbatch. Returns
    indices into `lengths`, shortest examples first.
    """
    order = sorted(range(len(lengths)), key=lambda index: (lengths[index], index))
    num_passes = math.ceil(len(filled(order, lengths, max_tokens)) / num_processes)
    # The smallest budget that needs no more passes leaves the largest microbatch as small as can be.
    budgets = range(1, max_tokens)
    budget = 1 + bisect_left(
        budgets, True, key=lambda tokens: len(filled(order, lengths, tokens)) <= num_passes * num_processes
    )
    return filled(order, lengths, budget)


def filled(order: Sequence[int], lengths: Sequence[int], budget: int) -> list[list[int]]:
    """The examples in their order, each microbatch filled up to `budget` tokens."""
    cut: list[list[int]] = []
    in_last = 0
    for index in order:
        if not cut or in_last + lengths[index] > budget:
            cut.append([])
            in_last = 0
        cut[-1].append(index)
        in_last += lengths[index]
    return cut
