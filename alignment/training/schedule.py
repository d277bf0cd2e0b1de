"""Which examples each step takes, and how a step is cut into microbatches.

Pure functions of the step and the seed, so that a killed program goes on with the same batches.
"""

import math
from collections.abc import Sequence
from functools import lru_cache

import torch

from alignment.programs import OptimizerConfig


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
    """Cut examples of these lengths into microbatches of at most `max_tokens` tokens, as even as can be.

    Sorted by length, so that rows that are padded for attention meet their like. An example longer than
    `max_tokens` is alone in its microbatch. Returns indices into `lengths`, shortest examples first.
    """
    order = sorted(range(len(lengths)), key=lambda index: (lengths[index], index))
    num_tokens = sum(lengths)
    even = num_tokens / max(1, math.ceil(num_tokens / max_tokens))
    cut: list[list[int]] = []
    taken = in_last = 0
    for index in order:
        length = lengths[index]
        if not cut or in_last + length > max_tokens or taken >= len(cut) * even:
            cut.append([])
            in_last = 0
        cut[-1].append(index)
        in_last += length
        taken += length
    return cut
