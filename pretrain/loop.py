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
from dataclasses import asdict
from types import FrameType
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import Tensor, nn

from pretrain.checkpoints import (
    Content,
    discard_checkpoints,
    read_checkpoint,
    require_checkpoint_space,
    write_checkpoint,
)
from pretrain.heap import keep_freed_memory
from pretrain.loop_state import Course, FixedCourse, LoopState, Reporter, add_up
from pretrain.loop_state import LoopConfig as LoopConfig
from pretrain.loop_state import LoopResult as LoopResult
from pretrain.processes import any_of, num_processes, own_places, summed
from pretrain.rounded_adamw import RoundedAdamW
from pretrain.run import EXIT_TERMINATED, ProgramError, RunFolder
from pretrain.sharding import call, clip, gathered, load_optimizer, load_weights, total_norm, weights_of
from pretrain.spikes import MOST_IN_A_ROW, SpikeMemory
from pretrain.utilisation import Utilisation

B = TypeVar("B")
B_co = TypeVar("B_co", covariant=True)
B_contra = TypeVar("B_contra", contravariant=True)

LossFunction = Callable[[nn.Module, B], tuple[Tensor, dict[str, float]]]
"""This microbatch's share of the step's loss (normalisers over the whole step are already in the
microbatch), and additive shares of the step's metrics. A metric `num_tokens` gives tokens per
second, one `flops` model FLOPs utilisation."""


class Microbatches(Protocol[B_co]):
    """A step's microbatches: a sequence, of which a process asks for its own only."""

    def __len__(self) -> int: ...

    def __getitem__(self, place: int, /) -> B_co: ...


class Engine(Protocol[B_contra]):
    """How a training's steps are computed and kept. The loop's own is one process, or FSDP over several;
    `pretrain.parallel.engine` is a whole mesh."""

    model: nn.Module

    def gradients(self, microbatches: B_contra, config: LoopConfig) -> dict[str, float]:
        """Add a step's gradients to the weights; its metrics with `loss`, alike in all processes."""
        ...

    def gradient_norm(self, gradients: list[Tensor]) -> Tensor:
        """The norm over the whole gradient, of which these are this process's parts."""
        ...

    def load(self, optimizer: torch.optim.Optimizer, config: LoopConfig) -> LoopState:
        """Go on from the newest good checkpoint; a fresh state where there is none."""
        ...

    def save(self, optimizer: torch.optim.Optimizer, state: LoopState, config: LoopConfig) -> None:
        """Write a checkpoint, or begin to."""
        ...

    def finish(self) -> None:
        """Wait for a checkpoint that was begun."""
        ...


class NotFinite(ProgramError):
    """The loss or the gradient of `step` (from 0) is no number; the weights are those before the step."""

    def __init__(self, sentence: str, step: int) -> None:
        super().__init__(sentence)
        self.step = step


def train(
    *,
    model: nn.Module,
    batch_at: Callable[[int], Microbatches[B]],
    loss: LossFunction[B],
    config: LoopConfig,
    folder: RunFolder,
    learning_rate_at: Callable[[int], float] | None = None,
    after_step: Callable[[int], None] | None = None,
    course: Course | None = None,
    name_batch: Callable[[int], str] | None = None,
) -> LoopResult:
    """Train `model` in place for `config.num_steps` steps, going on from the run folder's checkpoint.

    `batch_at(step)` gives the microbatches of step 0, 1, …. `learning_rate_at(step)` replaces the
    config's schedule (stages). `after_step(num_done)` is called after each update, before any checkpoint
    of it, and may be called again for a step that a crash undid. `course` decides on the way how long the
    training lasts, before `after_step`, in place of `config.num_steps`. `name_batch(step)` says in words what
    a step read, where it is skipped as a spike (`config.spike_factor`).

    Raises NotFinite when the loss is no longer a number, ProgramError when the checkpoint is of another
    configuration or too many steps in a row are spikes, and after a checkpoint when the course holds the
    training.
    Exits with 143 after a checkpoint when the process is told to stop (SIGTERM).
    """
    return train_with(
        WholeEngine(model, loss, folder),
        batch_at=batch_at,
        config=config,
        folder=folder,
        learning_rate_at=learning_rate_at,
        after_step=after_step,
        course=course,
        name_batch=name_batch,
    )


def train_with(
    engine: Engine[B],
    *,
    batch_at: Callable[[int], B],
    config: LoopConfig,
    folder: RunFolder,
    learning_rate_at: Callable[[int], float] | None = None,
    after_step: Callable[[int], None] | None = None,
    course: Course | None = None,
    name_batch: Callable[[int], str] | None = None,
) -> LoopResult:
    """What `train` does, with the engine's model, gradients and checkpoints."""
    keep_freed_memory()
    torch.manual_seed(config.seed)
    engine.model.train()
    optimizer = make_optimizer(engine.model, config)
    state = engine.load(optimizer, config)
    course = course or FixedCourse(config.num_steps)
    course.restore(state.memory)
    rate_at = learning_rate_at or (lambda step: scheduled_learning_rate(step, config))
    utilisation = Utilisation(next(engine.model.parameters()).device, config.precision, num_processes())
    reporter = Reporter(folder, config, state.step, course.num_steps, utilisation)
    last = now = time.perf_counter()
    with termination_flag() as terminated:
        while state.step < course.num_steps and course.held is None:
            rate = rate_at(state.step)
            optimizer.zero_grad(set_to_none=True)
            metrics = engine.gradients(batch_at(state.step), config)
            spikes = SpikeMemory(**state.norms)
            limit = spikes.limit(config.spike_factor)
            update(engine.model, engine.gradient_norm, optimizer, metrics, rate, config, limit)
            check_finite(metrics, state.step, rate)
            if config.spike_factor is not None:
                judge_norm(spikes, metrics, limit, state.step, name_batch, folder)
                state.norms = asdict(spikes)
            before, now = now, time.perf_counter()
            state.add(metrics, now - before, course.num_steps)
            state.memory = course.after_step(state.step)
            if after_step is not None:
                after_step(state.step)
            reporter.report(state.step, course.num_steps, metrics, rate)
            finished = state.step == course.num_steps or course.held is not None
            due = now - last >= config.checkpoint_seconds
            stopping, due = any_of([terminated.is_set(), due])
            if finished or stopping or due:
                engine.save(optimizer, state, config)
                last = now
            if stopping and not finished:
                engine.finish()
                sys.exit(EXIT_TERMINATED)
    engine.finish()
    if course.held is not None:
        raise ProgramError(course.held)
    return state.result()


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
    optimizer.zero_grad(set_to_none=True)
    metrics = gradients(model, microbatches, loss, config)
    update(model, total_norm, optimizer, metrics, learning_rate, config)
    return metrics


def gradients(
    model: nn.Module, microbatches: Microbatches[B], loss: LossFunction[B], config: LoopConfig
) -> dict[str, float]:
    """Add up the gradients of a step's microbatches; the metrics with `loss`, over all processes."""
    device = next(model.parameters()).device.type
    metrics = {"loss": 0.0}
    for place, counts in own_places(len(microbatches)):
        with torch.autocast(device, torch.bfloat16, enabled=config.precision == "bf16"):
            share, shares = call(model, loss, microbatches[place])
        (share if counts else 0 * share).backward()
        add_up(metrics, {"loss": share.item(), **shares} if counts else dict.fromkeys(shares, 0.0))
    return summed(metrics)


def update(
    model: nn.Module,
    norm_of: Callable[[list[Tensor]], Tensor],
    optimizer: torch.optim.Optimizer,
    metrics: dict[str, float],
    learning_rate: float,
    config: LoopConfig,
    limit: float = math.inf,
) -> None:
    """Clip the gradients and let the optimizer use them, unless their norm is above `limit`; adds `grad_norm`
    to the metrics."""
    trained = [weight for weight in model.parameters() if weight.grad is not None]
    grad_norm = norm_of([weight.grad for weight in trained])
    clip([weight.grad for weight in trained], config.max_grad_norm, grad_norm)
    metrics["grad_norm"] = grad_norm.item()
    # An update with a gradient that is no number would spoil the weights: the caller raises instead.
    if math.isfinite(metrics["grad_norm"]) and metrics["grad_norm"] <= limit:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate
        optimizer.step()


def check_finite(metrics: dict[str, float], step: int, learning_rate: float) -> None:
    """Raise NotFinite when the step's loss or gradient is no longer a number."""
    for name in ("loss", "grad_norm"):
        if not math.isfinite(metrics[name]):
            raise NotFinite(
                f"The {name.replace('_', ' ')} became {metrics[name]} at step {step + 1}: "
                f"start again with a lower learning rate (it was {learning_rate:.2g}).",
                step,
            )


def judge_norm(
    spikes: SpikeMemory,
    metrics: dict[str, float],
    limit: float,
    step: int,
    name_batch: Callable[[int], str] | None,
    folder: RunFolder,
) -> None:
    """Take in the step's gradient norm; say it where the step was skipped, and count it in the metrics.

    Raises ProgramError when too many in a row were.
    """
    norm = metrics["grad_norm"]
    skipped = norm > limit
    spikes.add(norm, skipped=skipped)
    metrics["skipped_steps"] = float(skipped)
    if not skipped:
        return
    read = "" if name_batch is None else f" The batch read {name_batch(step)}."
    sentence = f"Step {step + 1} has a gradient norm of {norm:.3g}, above {limit:.3g}"
    if spikes.num_in_a_row >= MOST_IN_A_ROW:
        raise ProgramError(
            f"{sentence}, like the {spikes.num_in_a_row - 1} before it: start again with a lower learning "
            f"rate or a larger spike_factor.{read}"
        )
    folder.warn(f"{sentence}: it was skipped.{read}")


class WholeEngine(Generic[B]):
    """One process, or several that shard one model: checkpoints are whole files."""

    def __init__(self, model: nn.Module, loss: LossFunction[B], folder: RunFolder) -> None:
        self.model = model
        self._loss = loss
        self._folder = folder

    def gradients(self, microbatches: Microbatches[B], config: LoopConfig) -> dict[str, float]:
        """Microbatch after microbatch."""
        return gradients(self.model, microbatches, self._loss, config)

    def gradient_norm(self, gradients: list[Tensor]) -> Tensor:
        """Over whole or sharded gradients."""
        return total_norm(gradients)

    def load(self, optimizer: torch.optim.Optimizer, config: LoopConfig) -> LoopState:
        """Also sees to it that the disk has room for what will be written."""
        state = load_checkpoint(self._folder, self.model, optimizer, config)
        trained = [weight for weight in self.model.parameters() if weight.requires_grad]
        require_checkpoint_space(self._folder, weights_of(self.model), trained)
        return state

    def save(self, optimizer: torch.optim.Optimizer, state: LoopState, config: LoopConfig) -> None:
        """The file is complete when this comes back."""
        write_checkpoint(self._folder, state.step, checkpoint_of(self.model, optimizer, state, config))

    def finish(self) -> None:
        """Nothing is left to wait for."""


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
    fields = config.model_dump(exclude={"checkpoint_seconds", "log_every"})
    if config.spike_factor is None:  # as checkpoints of before there was one have it
        del fields["spike_factor"]
    return fields


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
