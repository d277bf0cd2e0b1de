"""What the training loop is told, what it knows on its way, and what it tells others.

Comes in: a configuration, and each step's metrics. Goes out: the state that a checkpoint holds beside weights
and optimizer, rows of metrics and progress in the run folder, and the finished loop's result.
"""

import time
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from pydantic import Field

from pretrain.run import ProgramConfig, RunFolder
from pretrain.utilisation import Utilisation

PROGRESS_SECONDS = 1.0


class LoopConfig(ProgramConfig):
    """The optimizer, its schedule, and how often the loop speaks and saves."""

    num_steps: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    """Peak learning rate."""
    warmup_steps: int = Field(default=0, ge=0)
    """Steps of linear warm-up."""
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    """How the learning rate falls after the warm-up."""
    final_fraction: float = Field(default=0.1, ge=0, le=1)
    """The last step's learning rate as a part of the peak."""
    weight_decay: float = Field(default=0.0, ge=0)
    """On matrices only: never on norms and biases."""
    beta2: float = Field(default=0.99, gt=0, lt=1)
    max_grad_norm: float = Field(default=1.0, gt=0)
    spike_factor: float | None = Field(default=None, gt=1)
    """A step whose gradient norm is more than so many times the running mean of those before is skipped, and
    ten in a row end the training; None skips none."""
    precision: Literal["fp32", "bf16", "pure_bf16"] = "fp32"
    """bf16: autocast over fp32 weights. pure_bf16: the weights of the model given are bf16."""
    checkpoint_seconds: float = Field(default=300, gt=0)
    """How often to checkpoint for resuming."""
    log_every: int = Field(default=10, ge=1)
    """Steps between two rows of metrics; each row is the mean over its steps."""
    seed: int = 0
    """For what the model draws at random (dropout); batches have their own seed."""


class Course(Protocol):
    """How long a training lasts, where that is decided on its way: stages that end when they have reached
    something (`pretrain.course`)."""

    held: str | None
    """Why the training may not go on, in a sentence; None while it may."""

    @property
    def num_steps(self) -> int:
        """Of the whole training, as far as is known by now."""
        ...

    def restore(self, memory: dict[str, Any]) -> None:  # Any: plain values
        """Go on from what the checkpoint remembers; it is empty where nothing was done yet."""
        ...

    def after_step(self, num_done: int) -> dict[str, Any]:  # Any: plain values
        """Decide after a step; what a checkpoint of it must remember."""
        ...


class FixedCourse:
    """A training of a known length."""

    held: str | None = None

    def __init__(self, num_steps: int) -> None:
        self.num_steps = num_steps

    def restore(self, memory: dict[str, Any]) -> None:  # Any: plain values
        """There is nothing to remember."""

    def after_step(self, _num_done: int) -> dict[str, Any]:  # Any: plain values
        """There is nothing to decide."""
        return {}


@dataclass(frozen=True, kw_only=True)
class LoopResult:
    """What a finished loop knows, over all its sittings."""

    num_steps: int
    seconds: float
    """Time in the loop, all sittings together."""
    final: dict[str, float]
    """Mean of each metric and of `loss` over the last tenth of the steps."""
    totals: dict[str, float]
    """Sum of each metric over all steps, such as `num_tokens`."""


@dataclass
class LoopState:
    """What a checkpoint holds besides weights and optimizer."""

    step: int = 0
    seconds: float = 0.0
    totals: dict[str, float] = field(default_factory=dict)
    final: dict[str, float] = field(default_factory=dict)
    first_final: int | None = None
    """The step from which on `final` sums: later than a tenth from the end where that came sooner than
    was known. None before it, and in checkpoints of trainings of a known length that do not say."""
    memory: dict[str, Any] = field(default_factory=dict)  # Any: plain values
    """What the training's course has decided."""
    norms: dict[str, Any] = field(default_factory=dict)  # Any: the fields of SpikeMemory
    """What tells a spike."""

    def add(self, metrics: dict[str, float], seconds: float, num_steps: int) -> None:
        """Take in one step of `num_steps`."""
        add_up(self.totals, metrics)
        first = num_steps - num_final_steps(num_steps)
        if self.step >= first:
            if self.first_final is None:
                self.first_final = first if self.final else self.step
            add_up(self.final, metrics)
        self.step += 1
        self.seconds += seconds

    def result(self) -> LoopResult:
        """What the finished loop knows."""
        # A checkpoint of a finished training that does not say was made of a known length: the last tenth.
        first = self.step - num_final_steps(self.step) if self.first_final is None else self.first_final
        final = {name: value / max(1, self.step - first) for name, value in self.final.items()}
        return LoopResult(num_steps=self.step, seconds=self.seconds, final=final, totals=self.totals)


class Reporter:
    """Adds up metrics and tells them and the progress to the run folder at their times."""

    def __init__(
        self, folder: RunFolder, config: LoopConfig, step: int, num_steps: int, utilisation: Utilisation
    ) -> None:
        self._folder = folder
        self._config = config
        self._utilisation = utilisation
        self._started = self._spoke = time.perf_counter()
        self._num_steps = 0
        self._sums: dict[str, float] = {}
        folder.progress(step, num_steps, "steps")

    def report(self, step: int, num_steps: int, metrics: dict[str, float], learning_rate: float) -> None:
        """Take in one step's metrics, `step` of `num_steps` steps being done."""
        add_up(self._sums, metrics)
        self._num_steps += 1
        now = time.perf_counter()
        finished = step == num_steps
        if step % self._config.log_every == 0 or finished:
            seconds = max(now - self._started, 1e-9)
            means = {name: value / self._num_steps for name, value in self._sums.items()}
            means["steps_per_second"] = self._num_steps / seconds
            if "num_tokens" in self._sums:
                means["tokens_per_second"] = self._sums["num_tokens"] / seconds
            mfu = self._utilisation.mfu(self._sums["flops"], seconds) if "flops" in self._sums else None
            if mfu is not None:
                means["mfu"] = mfu
            self._folder.metrics(step, learning_rate=learning_rate, **means)
            self._started, self._num_steps, self._sums = now, 0, {}
        if now - self._spoke >= PROGRESS_SECONDS or finished:
            self._folder.progress(step, num_steps, "steps")
            self._spoke = now


def add_up(sums: dict[str, float], values: dict[str, float]) -> None:
    """Add `values` to `sums`, name by name."""
    for name, value in values.items():
        sums[name] = sums.get(name, 0.0) + value


def num_final_steps(num_steps: int) -> int:
    """The last tenth of the steps, over which the result's means are taken."""
    return max(1, num_steps // 10)
