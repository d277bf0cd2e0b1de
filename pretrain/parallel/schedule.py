"""What each step reads and how fast it learns, both by the tokens seen. Pure.

Comes in: phases of batch size and row length, and where a training stands. Goes out: for each step the place
in the stream at which it begins, its rows and their length, and its learning rate. Batches and rows grow by
tokens seen (Llama 3, section 3.4.1: 4M tokens of rows of 4,096, after 252M tokens 8M of 8,192, …). A training
that goes on under other phases, or on another mesh, goes on with the next token.
"""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from pydantic import Field, model_validator

from pretrain.run import ProgramConfig


class Phase(ProgramConfig):
    """How much a step reads from some number of tokens seen on."""

    from_tokens: int = Field(ge=0)
    num_rows: int = Field(ge=1)
    """Rows of a batch, over all processes."""
    sequence_length: int = Field(ge=2)
    """Tokens of a row."""

    @property
    def tokens_per_step(self) -> int:
        """Tokens that one optimizer step reads."""
        return self.num_rows * self.sequence_length


class TokenSchedule(ProgramConfig):
    """A training's length, batches and learning rate, counted in tokens."""

    num_tokens: int = Field(ge=1)
    """When the training ends; the last step may read a few more."""
    phases: tuple[Phase, ...] = Field(min_length=1)
    """In order, the first from 0."""
    learning_rate: float = Field(gt=0)
    """The peak."""
    warmup_tokens: int = Field(default=0, ge=0)
    """Of linear warm-up."""
    final_fraction: float = Field(default=0.01, ge=0, le=1)
    """Where the cosine ends, as a part of the peak."""

    def learning_rate_at(self, num_tokens: int) -> float:
        """The learning rate of the step with which `num_tokens` will have been seen."""
        if num_tokens <= self.warmup_tokens:
            return self.learning_rate * num_tokens / self.warmup_tokens
        progress = (num_tokens - self.warmup_tokens) / max(1, self.num_tokens - self.warmup_tokens)
        left = (1 + math.cos(math.pi * min(1.0, progress))) / 2
        return self.learning_rate * (self.final_fraction + (1 - self.final_fraction) * left)

    @model_validator(mode="after")
    def _check_phases(self) -> Self:
        places = [phase.from_tokens for phase in self.phases]
        if places[0] != 0 or places != sorted(set(places)):
            raise ValueError(
                f"phases begin after {places} tokens: the first must begin at 0, and they must rise"
            )
        if self.warmup_tokens >= self.num_tokens:
            raise ValueError(
                f"warmup_tokens {self.warmup_tokens} is not less than num_tokens {self.num_tokens}"
            )
        return self


@dataclass(frozen=True)
class Stretch:
    """Steps of one phase, from `first_step` on, of which the first begins at `first_token`."""

    first_step: int
    first_token: int
    phase: Phase


class Reading:
    """Every step of a training that stands after `step` steps and `num_tokens` tokens."""

    def __init__(self, schedule: TokenSchedule, step: int = 0, num_tokens: int = 0) -> None:
        self._schedule = schedule
        self._stretches: list[Stretch] = []
        ends = [phase.from_tokens for phase in schedule.phases[1:]] + [schedule.num_tokens]
        for phase, end in zip(schedule.phases, ends, strict=True):
            end = min(end, schedule.num_tokens)
            if num_tokens < end:
                self._stretches.append(Stretch(step, num_tokens, phase))
                num_steps = -(-(end - num_tokens) // phase.tokens_per_step)
                step += num_steps
                num_tokens += num_steps * phase.tokens_per_step
        self.num_steps = step
        """Of the whole training, those done included."""
        self._end = num_tokens

    def tokens_before(self, step: int) -> int:
        """Tokens consumed before `step`; at its end, all of them."""
        if step >= self.num_steps:
            return self._end
        stretch = self._stretch(step)
        return stretch.first_token + (step - stretch.first_step) * stretch.phase.tokens_per_step

    def phase_at(self, step: int) -> Phase:
        """What `step` reads."""
        return self._stretch(step).phase

    def learning_rate_at(self, step: int) -> float:
        """The learning rate of `step`."""
        return self._schedule.learning_rate_at(self.tokens_before(step + 1))

    def _stretch(self, step: int) -> Stretch:
        firsts: Sequence[int] = [stretch.first_step for stretch in self._stretches]
        return self._stretches[bisect_right(firsts, step) - 1]
