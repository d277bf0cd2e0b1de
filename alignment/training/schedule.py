"""Which examples each step takes, and how a step is cut into microbatches of similar length.

Pure functions of the step and the seed, so that a killed program goes on with the same batches.
"""

import math
from collections.abc import Sequence
from functools import lru_cache

import torch

from alignment.programs import OptimizerConfig

OVERHEAD_TOKENS = 128
"""What one more microbatch costs, in padded tokens: measured on a model of 0.9M parameters."""


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


def microbatches(lengths: Sequence[int], max_tokens: int) -> list[list[int]]:
    """Cut examples of these lengths into microbatches of at most `max_tokens` padded tokens.

    Sorted by length and cut where padding and the overhead of one more microbatch are least together
    (dynamic programming over the cuts). An example longer than `max_tokens` is alone in its microbatch.
    Returns indices into `lengths`, shortest examples first.
    """
    order = sorted(range(len(lengths)), key=lambda index: (lengths[index], index))
    costs = [0.0]  # of the first n examples in order
    starts = [0]  # of the last microbatch among the first n
    for end in range(1, len(order) + 1):
        longest = lengths[order[end - 1]]
        best_cost, best_start = math.inf, end - 1
        for start in range(end - 1, -1, -1):
            padded_tokens = (end - start) * longest
            if padded_tokens > max_tokens and start < end - 1:
                break
            cost = costs[start] + padded_tokens + OVERHEAD_TOKENS
            if cost < best_cost:
                best_cost, best_start = cost, start
        costs.append(best_cost)
        starts.append(best_start)
    cut: list[list[int]] = []
    end = len(order)
    while end > 0:
        cut.append(order[starts[end] : end])
        end = starts[end]
    return cut[::-1]
