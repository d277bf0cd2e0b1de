"""The one training loop: pretraining, reward model, SFT and DPO each bring their batches and their loss.

Comes in: a model, `batch_at(step)` (a pure function of the step, so resuming needs no data state), a
loss, and a LoopConfig. Goes out: the trained model (in place), metrics and progress in the run folder,
and a LoopResult. Checkpoints in the run folder make a killed run go on bit-exactly on CPU.
"""

import math
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, Literal, Protocol, TypeVar

import torch
from pydantic import Field
from torch import Tensor, nn

from pretrain.checkpoints import (
    Content,
    discard_checkpoints,
    read_checkpoint,
    require_checkpoint_space,
    write_checkpoint,
)
from pretrain.processes import any_of, own_places, summed
from pretrain.rounded_adamw import RoundedAdamW
from pretrain.run import EXIT_TERMINATED, ProgramConfig, ProgramError, RunFolder
from pretrain.sharding import call, gathered, load_optimizer, load_weights, total_norm, weights_of

B = TypeVar("B")
B_co = TypeVar("B_co", covariant=True)

LossFunction = Callable[[nn.Module, B], tuple[Tensor, dict[str, float]]]
"""This microbatch's share of the step's loss (normalisers over the whole step are already in the
microbatch), and additive shares of the step's metrics. A metric `num_tokens` gives tokens per second."""


class Microbatches(Protocol[B_co]):
    """A step's microbatches: a sequence, of which a process asks for its own only."""

    def __len__(self) -> int: ...

    def __getitem__(self, place: int, /) -> B_co: ...


PROGRESS_SECONDS = 1.0


class NotFinite(ProgramError):
    """The loss or the gradient of `step` (from 0) is no number; the weights are those before the step."""

    def __init__(self, sentence: str, step: int) -> None:
        super().__init__(sentence)
        self.step = step


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
    precision: Literal["fp32", "bf16", "pure_bf16"] = "fp32"
    """bf16: autocast over fp32 weights. pure_bf16: the weights of the model given are bf16."""
    checkpoint_seconds: float = Field(default=300, gt=0)
    """How often to checkpoint for resuming."""
    log_every: int = Field(default=10, ge=1)
    """Steps between two rows of metrics; each row is the mean over its steps."""
    seed: int = 0
    """For what the model draws at random (dropout); batches have their own seed."""


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

    def add(self, metrics: dict[str, float], seconds: float, num_steps: int) -> None:
        """Take in one step of `num_steps`."""
        add_up(self.totals, metrics)
        if self.step >= num_steps - num_final_steps(num_steps):
            add_up(self.final, metrics)
        self.step += 1
        self.seconds += seconds

    def result(self, num_steps: int) -> LoopResult:
        """What the finished loop knows."""
        final = {name: value / num_final_steps(num_steps) for name, value in self.final.items()}
        return LoopResult(num_steps=self.step, seconds=self.seconds, final=final, totals=self.totals)


class Reporter:
    """Adds up metrics and tells them and the progress to the run folder at their times."""

    def __init__(self, folder: RunFolder, config: LoopConfig, step: int) -> None:
        self._folder = folder
        self._config = config
        self._started = self._spoke = time.perf_counter()
        self._num_steps = 0
        self._sums: dict[str, float] = {}
        folder.progress(step, config.num_steps, "steps")

    def report(self, step: int, metrics: dict[str, float], learning_rate: float) -> None:
        """Take in one step's metrics, `step` steps being done."""
        add_up(self._sums, metrics)
        self._num_steps += 1
        now = time.perf_counter()
        finished = step == self._config.num_steps
        if step % self._config.log_every == 0 or finished:
            seconds = max(now - self._started, 1e-9)
            means = {name: value / self._num_steps for name, value in self._sums.items()}
            means["steps_per_second"] = self._num_steps / seconds
            if "num_tokens" in self._sums:
                means["tokens_per_second"] = self._sums["num_tokens"] / seconds
            self._folder.metrics(step, learning_rate=learning_rate, **means)
            self._started, self._num_steps, self._sums = now, 0, {}
        if now - self._spoke >= PROGRESS_SECONDS or finished:
            self._folder.progress(step, self._config.num_steps, "steps")
            self._spoke = now


def train(
    *,
    model: nn.Module,
    batch_at: Callable[[int], Microbatches[B]],
    loss: LossFunction[B],
    config: LoopConfig,
    folder: RunFolder,
    learning_rate_at: Callable[[int], float] | None = None,
    after_step: Callable[[int], None] | None = None,
) -> LoopResult:
    """Train `model` in place for `config.num_steps` steps, going on from the run folder's checkpoint.

    `batch_at(step)` gives the microbatches of step 0, 1, …. `learning_rate_at(step)` replaces the
    config's schedule (stages). `after_step(num_done)` is called after each update, before any checkpoint
    of it, and may be called again for a step that a crash undid.

    Raises NotFinite when the loss is no longer a number, ProgramError when the checkpoint is of another
    configuration.
    Exits with 143 after a checkpoint when the process is told to stop (SIGTERM).
    """
    torch.manual_seed(config.seed)
    model.train()
    optimizer = make_optimizer(model, config)
    state = load_checkpoint(folder, model, optimizer, config)
    require_checkpoint_space(folder, weights_of(model), [w for w in model.parameters() if w.requires_grad])
    rate_at = learning_rate_at or (lambda step: scheduled_learning_rate(step, config))
    reporter = Reporter(folder, config, state.step)
    last = now = time.perf_counter()
    with termination_flag() as terminated:
        while state.step < config.num_steps:
            rate = rate_at(state.step)
            metrics = take_step(model, optimizer, batch_at(state.step), loss, rate, config)
            check_finite(metrics, state.step, rate)
            before, now = now, time.perf_counter()
            state.add(metrics, now - before, config.num_steps)
            if after_step is not None:
                after_step(state.step)
            reporter.report(state.step, metrics, rate)
            finished = state.step == config.num_steps
            due = now - last >= config.checkpoint_seconds
            stopping, due = any_of([terminated.is_set(), due])
            if finished or stopping or due:
                write_checkpoint(folder, state.step, checkpoint_of(model, optimizer, state, config))
                last = now
            if stopping and not finished:
                sys.exit(EXIT_TERMINATED)
    return state.result(config.num_steps)


def discard_checkpoint(folder: RunFolder) -> None:
    """Remove the loop's checkpoints: for a program whose outputs are complete."""
    discard_checkpoints(folder)


def scheduled_learning_rate(step: int, config: LoopConfig) -> float:
    """The learning rate of `step` (from 0): linear warm-up, then the schedule's fall.

    The first step has 1/warmup_steps of the peak, the last one `final_fraction` of it.
    """
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    if config.schedule == "constant":
        return config.learning_rate
    progress = (step - config.warmup_steps + 1) / max(1, config.num_steps - config.warmup_steps)
    left = 1 - progress if config.schedule == "linear" else (1 + math.cos(math.pi * progress)) / 2
    return config.learning_rate * (config.final_fraction + (1 - config.final_fraction) * left)


def make_optimizer(model: nn.Module, config: LoopConfig) -> torch.optim.Optimizer:
    """AdamW, fused over fp32 weights, rounding at random over bf16 ones; weight decay on matrices only."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    betas = (0.9, config.beta2)
    if config.precision == "pure_bf16":
        return RoundedAdamW(groups, lr=config.learning_rate, betas=betas, eps=1e-8)
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=betas, eps=1e-8, fused=True)


def take_step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    microbatches: Microbatches[B],
    loss: LossFunction[B],
    learning_rate: float,
    config: LoopConfig,
) -> dict[str, float]:
    """One optimizer step over `microbatches`; returns the step's metrics with `loss` and `grad_norm`."""
    device = next(model.parameters()).device.type
    metrics = {"loss": 0.0}
    optimizer.zero_grad(set_to_none=True)
    for place, counts in own_places(len(microbatches)):
        with torch.autocast(device, torch.bfloat16, enabled=config.precision == "bf16"):
            share, shares = call(model, loss, microbatches[place])
        (share if counts else 0 * share).backward()
        add_up(metrics, {"loss": share.item(), **shares} if counts else dict.fromkeys(shares, 0.0))
    metrics = summed(metrics)
    trained = [weight for weight in model.parameters() if weight.grad is not None]
    grad_norm = total_norm([weight.grad for weight in trained])
    nn.utils.clip_grads_with_norm_(trained, config.max_grad_norm, grad_norm)
    metrics["grad_norm"] = grad_norm.item()
    # An update with a gradient that is no number would spoil the weights: the caller raises instead.
    if math.isfinite(metrics["grad_norm"]):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate
        optimizer.step()
    return metrics


def check_finite(metrics: dict[str, float], step: int, learning_rate: float) -> None:
    """Raise NotFinite when the step's loss or gradient is no longer a number."""
    for name in ("loss", "grad_norm"):
        if not math.isfinite(metrics[name]):
            raise NotFinite(
                f"The {name.replace('_', ' ')} became {metrics[name]} at step {step + 1}: "
                f"start again with a lower learning rate (it was {learning_rate:.2g}).",
                step,
            )


def add_up(sums: dict[str, float], values: dict[str, float]) -> None:
    """Add `values` to `sums`, name by name."""
    for name, value in values.items():
        sums[name] = sums.get(name, 0.0) + value


def num_final_steps(num_steps: int) -> int:
    """The last tenth of the steps, over which the result's means are taken."""
    return max(1, num_steps // 10)


def checkpoint_of(
    model: nn.Module, optimizer: torch.optim.Optimizer, state: LoopState, config: LoopConfig
) -> Content:
    """What a checkpoint holds: in the first process, whole.

    It is the same for any number of processes, and any other number can go on from it.
    """
    return {
        "config": fingerprint(config),
        "model": gathered(weights_of(model)),
        "optimizer": gathered(optimizer.state_dict()),
        "random": torch.get_rng_state(),
        "random_cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "state": vars(state),
    }


def load_checkpoint(
    folder: RunFolder, model: nn.Module, optimizer: torch.optim.Optimizer, config: LoopConfig
) -> LoopState:
    """Put the newest good checkpoint into model and optimizer; a fresh state where there is none."""
    found = read_checkpoint(folder)
    if found is None:
        return LoopState()
    path, content = found
    if content["config"] != fingerprint(config):
        raise ProgramError(
            f"{path} is of another configuration: delete it to start anew, or use another run folder."
        )
    load_weights(model, content["model"])
    load_optimizer(optimizer, content["optimizer"])
    torch.set_rng_state(content["random"])
    if content["random_cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(content["random_cuda"][: torch.cuda.device_count()])
    return LoopState(**content["state"])


def fingerprint(config: LoopConfig) -> dict[str, Any]:  # Any: the fields' own types
    """The fields that change the numbers: a checkpoint goes on only under the same ones."""
    return config.model_dump(exclude={"checkpoint_seconds", "log_every"})


@contextmanager
def termination_flag() -> Iterator[threading.Event]:
    """An event set by SIGTERM while the block runs; outside the main thread it is never set."""
    flag = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield flag
        return

    def set_flag(_signal: int, _frame: FrameType | None) -> None:
        flag.set()

    before = signal.signal(signal.SIGTERM, set_flag)
    try:
        yield flag
    finally:
        signal.signal(signal.SIGTERM, before)
