"""The processes of one training: who they are, what they add up and what they agree on.

`python -m torch.distributed.run` starts them, on one machine or several. A program started without it is
the first of one process, for which everything here gives back what it is given.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor

from pretrain.failures import MISSING_GPU, ProgramError, TransientError

TIMEOUT = timedelta(days=1)
"""For a process to wait for the others. Long, because the first may wait for another program's reference;
that a process died is noticed at once without it."""
PARENT_DEATH_SIGNAL = 1
"""prctl's PR_SET_PDEATHSIG."""
LOST = "A process of this training ended before the others: its log says which one, and why."


@contextmanager
def process_group(expected: int) -> Iterator[None]:
    """Be one of `expected` processes while the block runs.

    Raises ProgramError where the program was started in another number, where they are more than the
    machine has GPUs, and where another process is lost, which may pass.
    """
    if dist.is_torchelastic_launched():
        die_with_the_launcher()
        # Numbers that steer the loop go through the CPU; what the model computes stays on its device.
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        dist.init_process_group(backend, timeout=TIMEOUT)
    check_started(expected)
    if num_processes() == 1:
        yield
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(dist.get_node_local_rank(dist.get_rank()))
    try:
        yield
    except RuntimeError as error:
        if isinstance(error, dist.DistError) or "gloo/transport" in str(error):
            raise TransientError(LOST) from error
        raise
    dist.destroy_process_group()


def check_started(expected: int) -> None:
    """Raise ProgramError unless the program runs in as many processes as it should, each with its device."""
    if num_processes() != expected:
        started = "process" if num_processes() == 1 else "processes"
        raise ProgramError(
            f"num_processes is {expected} but the program was started in {num_processes()} {started}: start "
            f"it with `python -m torch.distributed.run --standalone --nproc-per-node {expected} -m …`, "
            "or change num_processes."
        )
    if expected == 1 or not torch.cuda.is_available():
        return
    if dist.get_node_local_rank(dist.get_rank()) >= torch.cuda.device_count():
        raise ProgramError(
            f"num_processes is {expected} but there are {torch.cuda.device_count()} GPUs: "
            "lower it to one for each."
        )


def require_device(device: str) -> None:
    """Raise ProgramError where `device` is "cuda" and there is no GPU; "auto" takes what there is."""
    if device == "cuda" and not torch.cuda.is_available():
        raise ProgramError(MISSING_GPU)


def die_with_the_launcher() -> None:
    """Let the kernel kill this process when its parent dies, so that none trains on unseen (Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PARENT_DEATH_SIGNAL, signal.SIGKILL)
        if os.getppid() == 1:  # it died before we asked
            sys.exit(1)


def num_processes() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def is_first() -> bool:
    """Whether this is the process that writes: metrics, checkpoints, results."""
    return not dist.is_initialized() or dist.get_rank() == 0


def own_places(num: int) -> list[tuple[int, bool]]:
    """Which of `num` microbatches this process takes, in order, and whether each counts.

    All processes must run equally many passes, because the weights are gathered in each: one that has run
    out of microbatches repeats one that does not count. Neighbours, which are alike in size, run in one pass.
    """
    own = dist.get_rank() if dist.is_initialized() else 0
    count = num_processes()
    return [(min(first + own, num - 1), first + own < num) for first in range(0, num, count)]


def summed(values: dict[str, float]) -> dict[str, float]:
    """Each value's sum over all processes, which must have the same names."""
    if num_processes() == 1:
        return values
    names = sorted(values)
    sums = summed_tensor(torch.tensor([values[name] for name in names], dtype=torch.float64))
    return dict(zip(names, sums.tolist(), strict=True))


def summed_tensor(values: Tensor) -> Tensor:
    """The sum over all processes of a tensor on the CPU, in place."""
    if num_processes() > 1:
        dist.all_reduce(values)
    return values


def any_of(flags: Sequence[bool]) -> list[bool]:
    """For each flag, whether it is set in any process: what all of them then act on."""
    if num_processes() == 1:
        return list(flags)
    return [value > 0 for value in summed_tensor(torch.tensor(flags, dtype=torch.int32)).tolist()]


def wait_for_all() -> None:
    """Go on when every process is here."""
    any_of([False])
