"""Both sides of a benchmark in one run: each in a process of its own, by CPU time, with its peak of memory.

Comes in: two functions that train and tell when a step is done. Goes out: a `Case` with the cost of each.
The processes are forked from one that has imported everything, so that no side pays for imports, and run
one after another on one thread.
"""

import json
import multiprocessing
import platform
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What both sides train with."""

    learning_rate: float
    bf16: bool
    step: int
    """Rows of one optimizer step."""


@dataclass(kw_only=True)
class StepClock:
    """What one side tells while it trains."""

    seconds: list[float] = field(default_factory=list)
    """CPU time of each step, the first one included."""
    losses: list[float] = field(default_factory=list)
    num_tokens: list[int] = field(default_factory=list)
    """Tokens that went through the model, padding included, step by step."""
    _last: float = field(default_factory=time.process_time)

    def begin(self) -> None:
        """The first step starts."""
        self._last = time.process_time()

    def step_done(self, *, loss: float, num_tokens: int) -> None:
        """A step is done, its batch and its update included."""
        now = time.process_time()
        self.seconds.append(now - self._last)
        self.losses.append(loss)
        self.num_tokens.append(num_tokens)
        self._last = now


Side = Callable[[StepClock], None]


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one side took."""

    seconds_per_step: float
    """CPU time, the mean without the first step."""
    tokens_per_step: float
    """As the side lays them out, padding included."""
    peak_memory_mb: float
    """Resident memory at its highest, above what the process began with."""
    losses: list[float]


@dataclass(frozen=True, kw_only=True)
class Case:
    """One comparison."""

    name: str
    ratio: float
    """The peer's cost over ours."""
    ours: dict[str, Any]
    peer: dict[str, Any]
    loss_difference: float | None = None
    """The largest between two steps' losses."""


def compare(name: str, ours: Side, peer: Side, *, by: str = "seconds_per_step") -> Case:
    """Run both sides and compare their `by`."""
    our_cost, peer_cost = cost_of(ours), cost_of(peer)
    differences = [abs(a - b) for a, b in zip(our_cost.losses, peer_cost.losses, strict=True)]
    return Case(
        name=name,
        ratio=round(getattr(peer_cost, by) / getattr(our_cost, by), 3),
        ours=asdict(our_cost),
        peer=asdict(peer_cost),
        loss_difference=max(differences),
    )


def cost_of(side: Side) -> Cost:
    """Run one side in a process of its own."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(side, sender))
    process.start()
    sender.close()
    try:
        cost: Cost = receiver.recv()
    except EOFError as error:
        process.join()
        raise RuntimeError(f"A side of the benchmark ended with {process.exitcode}.") from error
    process.join()
    return cost


def _run(side: Side, sender: Connection) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    before = status_mb("VmRSS")
    clock = StepClock()
    side(clock)
    counted, tokens = clock.seconds[1:], clock.num_tokens[1:]
    sender.send(
        Cost(
            seconds_per_step=sum(counted) / len(counted),
            tokens_per_step=sum(tokens) / len(tokens),
            peak_memory_mb=round(status_mb("VmHWM") - before, 1),
            losses=clock.losses,
        )
    )


def status_mb(name: str) -> float:
    """A figure of this process's memory in MB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    raise AssertionError(name)


def write_report(path: Path, cases: list[Case], **more: object) -> None:
    """The contract's JSON: {"device", "commit", "cases"}."""
    report = {"device": device_name(), "commit": commit(), **more, "cases": [asdict(case) for case in cases]}
    path.write_text(json.dumps(report, indent=2) + "\n")


def device_name() -> str:
    """What everything ran on."""
    return f"{processor()}, one thread, torch {torch.__version__}"


def processor() -> str:
    """The processor's name."""
    models = [
        line.split(":", 1)[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return models[0] if models else platform.machine()


def commit() -> str:
    """The commit under test, `+` where the tree has changes."""
    head = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
    changed = subprocess.run(["git", "status", "--short"], capture_output=True, text=True, check=True)
    return head.stdout.strip() + ("+" if changed.stdout.strip() else "")
