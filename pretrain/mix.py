"""A mix: how much of each source a training draws, by the tokens that it has seen. Pure, and data alone.

Comes in: weights per source, each from some number of tokens on. Goes out: the source of any block of the
stream of training tokens, and how many blocks that source had before. The stream is cut into blocks of
tokens, each of one source, which follows from (seed, block) and the weights at the block's first token. What
was drawn before a place is counted, not remembered, so that a training may be stopped, resumed and changed
anywhere: new weights begin at a token and alter nothing before it.

Sources are dealt by the multiples of the golden ratio, modulo 1, which fall into any interval of [0, 1) as
evenly as a sequence can (Knuth, The Art of Computer Programming 3, section 6.4): after any number of blocks
each source has its share to within a dozen, where random draws would be off by their square root.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from pretrain.run import ProgramConfig, ProgramError

MODULUS_BITS = 40
MODULUS = 1 << MODULUS_BITS
"""Weights are multiples of 1 / MODULUS."""
GOLDEN = round(MODULUS * (math.sqrt(5) - 1) / 2) | 1
Weights = dict[str, float]


class MixPhase(ProgramConfig):
    """Weights from some number of tokens on; they need not add up to 1."""

    from_tokens: int = Field(ge=0)
    """Rounded up to the next block."""
    weights: Weights

    @model_validator(mode="after")
    def _check_weights(self) -> Self:
        check_weights(self.weights, f"of the mix from token {self.from_tokens} on")
        return self


class Mix(ProgramConfig):
    """Weights per source over training time."""

    phases: tuple[MixPhase, ...] = Field(min_length=1)
    """In order, the first from 0."""
    annealing: Weights | None = None
    """From the first token of annealing on, in the stead of the phases': the best sources upsampled."""
    block_tokens: int = Field(default=256, ge=16)
    """Tokens drawn from one source at a time: best a row's length, or a few rows'."""

    @model_validator(mode="after")
    def _check_phases(self) -> Self:
        places = [phase.from_tokens for phase in self.phases]
        if places[0] != 0 or places != sorted(set(places)):
            raise ValueError(
                f"the mix's phases begin after {places} tokens: the first must begin at 0, and they must rise"
            )
        if self.annealing is not None:
            check_weights(self.annealing, "of the mix in annealing")
        return self

    @property
    def sources(self) -> list[str]:
        """All sources that are named with a weight above 0, in order of their names."""
        told = [phase.weights for phase in self.phases] + [self.annealing or {}]
        return sorted({name for weights in told for name, weight in weights.items() if weight > 0})

    def with_annealing(self, first_token: int | None) -> "Mix":
        """The mix as phases alone, annealing beginning at `first_token`; None: not known yet, or none."""
        kept = self.phases
        if self.annealing is not None and first_token is not None:
            before = tuple(phase for phase in self.phases if phase.from_tokens < first_token)
            kept = (*before, MixPhase(from_tokens=first_token, weights=self.annealing))
        return self.model_copy(update={"phases": kept, "annealing": None})


def check_weights(weights: Weights, whose: str) -> None:
    """Raise ValueError unless they are finite, none below 0 and one above."""
    if any(not math.isfinite(weight) or weight < 0 for weight in weights.values()) or not any(
        weights.values()
    ):
        raise ValueError(f"the weights {whose} are {weights}: give numbers from 0 on, one above 0")


def proportional_mix(num_tokens: Mapping[str, int], block_tokens: int) -> Mix:
    """Each source by its size, so that all are read equally often."""
    weights = {name: float(number) for name, number in sorted(num_tokens.items()) if number}
    return Mix(phases=(MixPhase(from_tokens=0, weights=weights),), block_tokens=block_tokens)


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """What was drawn from one source: a line of the ledger."""

    source: str
    tokens: int
    epochs: float
    """How often the source was read: 1.5 is once and a half."""

    def as_row(self) -> dict[str, Any]:  # Any: JSON
        """For results and metrics."""
        return {"source": self.source, "tokens": self.tokens, "epochs": round(self.epochs, 4)}


class Deal:
    """Which source each block goes to, by a mix and a seed."""

    def __init__(self, mix: Mix, seed: int) -> None:
        """`mix` has phases alone (`Mix.with_annealing`)."""
        assert mix.annealing is None, "annealing must have been given its place"
        self.sources = mix.sources
        """Numbered in this order; some may have no weight yet."""
        self.block_tokens = mix.block_tokens
        digest = hashlib.blake2b(f"mix {seed}".encode(), digest_size=8).digest()
        self._offset = int.from_bytes(digest, "big") % MODULUS
        self._firsts = [-(-phase.from_tokens // mix.block_tokens) for phase in mix.phases]
        self._edges_PS = [edges(phase.weights, self.sources) for phase in mix.phases]

    def sources_of(self, first_block: int, num_blocks: int) -> NDArray[np.int64]:
        """The number of the source of each block from `first_block` on."""
        blocks = np.arange(first_block, first_block + num_blocks, dtype=np.uint64)
        # The product wraps at 2^64, of which the modulus is a divisor.
        points = (blocks * np.uint64(GOLDEN) + np.uint64(self._offset)) % np.uint64(MODULUS)
        phases = np.searchsorted(self._firsts, blocks.astype(np.int64), side="right") - 1
        found = np.empty(num_blocks, dtype=np.int64)
        for phase in np.unique(phases):
            here = phases == phase
            upper = np.array(self._edges_PS[phase][1:], dtype=np.uint64)
            found[here] = np.searchsorted(upper, points[here], side="right")
        return found

    def blocks_before(self, block: int) -> list[int]:
        """How many of the blocks before `block` each source had."""
        counts = [0] * len(self.sources)
        lasts = [*self._firsts[1:], block]
        for first, last, own in zip(self._firsts, lasts, self._edges_PS, strict=True):
            last = min(last, block)
            if first < last:
                below = [self._num_below(last, edge) - self._num_below(first, edge) for edge in own]
                counts = [
                    count + high - low for count, low, high in zip(counts, below[:-1], below[1:], strict=True)
                ]
        return counts

    def tokens_before(self, num_tokens: int) -> dict[str, int]:
        """How many of the first `num_tokens` tokens were drawn from each source: the ledger, exactly."""
        block, rest = divmod(num_tokens, self.block_tokens)
        counts = [count * self.block_tokens for count in self.blocks_before(block)]
        if rest:
            counts[int(self.sources_of(block, 1)[0])] += rest
        return dict(zip(self.sources, counts, strict=True))

    def _num_below(self, num_blocks: int, edge: int) -> int:
        """How many of the first blocks have a point below `edge`.

        A point x mod M is below t exactly where floor(x / M) - floor((x - t) / M) is 1.
        """
        whole = floor_sum(num_blocks, MODULUS, GOLDEN, self._offset)
        return whole - floor_sum(num_blocks, MODULUS, GOLDEN, self._offset - edge + MODULUS) + num_blocks


def edges(weights: Weights, sources: Sequence[str]) -> list[int]:
    """Where the sources' intervals begin and end, of MODULUS; one without weight has an empty one."""
    total = sum(weights.values())
    upto, found = 0.0, [0]
    for name in sources:
        upto += weights.get(name, 0.0)
        found.append(round(MODULUS * (upto / total)))
    heaviest_last = max(place for place, name in enumerate(sources) if weights.get(name, 0.0) > 0)
    # Sums of floats may miss the whole by a little: the last source with a weight has the rest.
    return [MODULUS if place > heaviest_last else edge for place, edge in enumerate(found)]


def floor_sum(num: int, modulus: int, factor: int, offset: int) -> int:
    """The sum of floor((factor · i + offset) / modulus) over i from 0 to num - 1.

    In steps like Euclid's algorithm (Graham, Knuth, Patashnik, Concrete Mathematics, section 3.5).
    """
    total = 0
    while num > 0:
        total += num * (num - 1) // 2 * (factor // modulus) + num * (offset // modulus)
        factor, offset = factor % modulus, offset % modulus
        num, offset = divmod(factor * num + offset, modulus)
        modulus, factor = factor, modulus
    return total


def check_change(before: Mix, after: Mix, num_tokens: int) -> None:
    """Raise ProgramError where `after` would have drawn other tokens than `before` up to `num_tokens`.

    Both have phases alone.
    """
    if before.block_tokens != after.block_tokens:
        raise ProgramError(
            f"The mix draws blocks of {after.block_tokens} tokens, but {num_tokens} tokens were drawn in "
            f"blocks of {before.block_tokens}: put block_tokens back."
        )
    if drawn_shares(before, num_tokens) != drawn_shares(after, num_tokens):
        raise ProgramError(
            f"The mix differs from the one by which {num_tokens} tokens were drawn: leave its phases before "
            f"token {num_tokens} as they were, and begin the change with a phase from there or later on."
        )


def drawn_shares(mix: Mix, num_tokens: int) -> list[tuple[int, dict[str, float]]]:
    """From which block on which shares held, as far as `num_tokens` tokens show; without repetitions."""
    found: list[tuple[int, dict[str, float]]] = []
    for phase in mix.phases:
        first = -(-phase.from_tokens // mix.block_tokens)
        total = sum(phase.weights.values())
        shares = {name: weight / total for name, weight in sorted(phase.weights.items()) if weight}
        if first * mix.block_tokens < num_tokens:
            while found and found[-1][0] == first:
                found.pop()
            if not found or found[-1][1] != shares:
                found.append((first, shares))
    return found
