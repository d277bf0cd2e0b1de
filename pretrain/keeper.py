"""Runs one command and sees to it that nothing of it outlives whoever asked for it.

    python -m pretrain.keeper [--grace SECONDS] [--silence SECONDS] COMMAND ARGUMENT ...

Standard input is the lifeline: a pipe whose other end only the caller holds. When the caller dies, in
whatever way, the pipe closes and the command is stopped: it is asked with SIGTERM, so that a training
writes a checkpoint, and killed after `--grace` seconds, it and everything it started. So it is when the
caller asks with SIGTERM, and with `--silence` when the caller has written nothing into the pipe for so long:
a lease that nobody renews ends by the keeper's own clock, whatever holds the caller up. When the keeper is
killed, the kernel asks the command to stop. What the command leaves behind is killed, and the keeper ends as
the command did: with its status, or by the same signal.

Nothing but the standard library: it starts in a moment and needs little memory. Processes that made
sessions of their own are found too, since Linux gives orphans to the keeper.
"""

import argparse
import ctypes
import os
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Protocol

GRACE_SECONDS = 10.0
"""From SIGTERM to SIGKILL: long enough for a training to finish its step and write a checkpoint."""
LOOK_SECONDS = 0.02
SECONDS_TO_DIE = 10.0
"""A process that waits for a device or a disk cannot be killed until it answers."""
PARENT_DEATH_SIGNAL = 1
CHILD_SUBREAPER = 36
"""prctl's PR_SET_PDEATHSIG and PR_SET_CHILD_SUBREAPER."""
LIFELINE = 0
"""Standard input."""


def main(arguments: Sequence[str]) -> int:
    """Run the command to its end, or to ours; its exit status, negative for a signal."""
    parser = argparse.ArgumentParser(prog="python -m pretrain.keeper", description="Keep one command.")
    parser.add_argument("--grace", type=float, default=GRACE_SECONDS)
    parser.add_argument("--silence", type=float)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    chosen = parser.parse_args(arguments)
    if not chosen.command:
        parser.error("give the command to run")
    asked = Asked()
    command = subprocess.Popen(
        chosen.command,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=asked.stop_with,
    )
    return keep(command, asked, grace=chosen.grace, silence=chosen.silence)


class Command(Protocol):
    """The process that is kept: a `subprocess.Popen`, or one that was forked."""

    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None:
        """The exit status, negative for a signal, or None while it runs."""

    def wait(self) -> int:
        """The exit status, once there is one."""


def keep(command: Command, asked: "Asked", *, grace: float, silence: float | None) -> int:
    """See the command to its end, or to ours; its exit status, negative for a signal."""
    asked.wait(command, silence)
    if command.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(command.pid, signal.SIGTERM)
        deadline = time.monotonic() + grace
        while command.poll() is None and time.monotonic() < deadline:
            time.sleep(LOOK_SECONDS)
    if command.poll() is None:
        os.kill(command.pid, signal.SIGKILL)  # not reaped yet: the id is still its own
    status = command.wait()
    end_descendants()
    return status


class Asked:
    """Makes this process a keeper, which notices that its command should stop: by signal, by the lifeline,
    by silence. Made before the command is started."""

    def __init__(self) -> None:
        self._control = process_control()
        self._control(CHILD_SUBREAPER, 1)
        self._keeper = os.getpid()
        self._stopping = False
        self._wakes, self._woken = os.pipe()
        for end in (self._wakes, self._woken):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._woken, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGHUP, self._stop)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to the caller too, who decides
        signal.signal(signal.SIGCHLD, lambda *_: None)  # wakes us

    def stop_with(self) -> None:
        """In the command's process before it begins: let the kernel ask it to stop when the keeper dies."""
        self._control(PARENT_DEATH_SIGNAL, signal.SIGTERM)
        if os.getppid() != self._keeper:  # it died before we asked
            os.kill(os.getpid(), signal.SIGTERM)

    def forget(self) -> None:
        """In a command's process that was forked: be a keeper no more."""
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        os.close(self._wakes)
        os.close(self._woken)

    def wait(self, command: Command, silence: float | None) -> None:
        """Come back when the command has ended or should."""
        heard = time.monotonic()
        while command.poll() is None and not self._stopping:
            left = None if silence is None else heard + silence - time.monotonic()
            if left is not None and left <= 0:
                sys.stderr.write(f"Nothing was heard of the worker for {silence:.0f} s: stopping.\n")
                return
            ready, _, _ = select.select([self._wakes, LIFELINE], [], [], left)
            if self._wakes in ready:
                with suppress(BlockingIOError):
                    os.read(self._wakes, 4096)
            if LIFELINE in ready:
                if not os.read(LIFELINE, 4096):
                    return
                heard = time.monotonic()

    def _stop(self, _signal: int, _frame: FrameType | None) -> None:
        self._stopping = True


def process_control() -> Callable[[int, int], int]:
    """The kernel's `prctl`; a function that does nothing where there is none."""
    if sys.platform != "linux":
        return lambda _option, _value: 0
    control: Callable[[int, int], int] = ctypes.CDLL(None).prctl
    return control


def end_descendants() -> None:
    """Kill and bury whatever still descends from this process."""
    deadline = time.monotonic() + SECONDS_TO_DIE
    while (left := descendants(os.getpid())) and time.monotonic() < deadline:
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass
        time.sleep(LOOK_SECONDS)


def descendants(pid: int) -> set[int]:
    """The processes that `pid` started, and those that they did (Linux; none elsewhere)."""
    parents = {}
    with suppress(FileNotFoundError):
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                # The name, in brackets, may hold anything; state and parent follow it.
                told = (folder / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2]
                parents[int(folder.name)] = int(told.split()[1])
    found: set[int] = set()
    new = {pid}
    while new:
        new = {child for child, parent in parents.items() if parent in new} - found
        found |= new
    return found


def end_like(status: int) -> None:
    """End with the command's status, or by the signal that ended it."""
    if status < 0:
        if -status != signal.SIGKILL:
            signal.signal(-status, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # the command's own core is enough
        os.kill(os.getpid(), -status)
    sys.exit(status)


if __name__ == "__main__":
    end_like(main(sys.argv[1:]))
