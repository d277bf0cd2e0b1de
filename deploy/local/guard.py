"""The guard: no process of a stack outlives it, even when its supervisor is killed outright.

Every process of a stack carries a mark in its environment, inherited by whatever it starts. The guard
is a small process of its own that waits on a pipe whose other end only the supervisor holds. When the
supervisor ends, in whatever way, the pipe closes; the guard then ends all that still carry the mark
and removes the files that said the stack was running.

    python -m deploy.local.guard MARK [FILE_OR_FOLDER_TO_REMOVE ...]
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

MARK = "ACCORD_STACK"
"""The environment variable that holds the mark."""

SERVER = "server-"
"""Comes before the mark of PostgreSQL and of the broker, which end last."""

SECONDS_TO_FINISH = 8.0
"""Long enough for a training program to write a checkpoint after SIGTERM."""


SECONDS_TO_DIE = 5.0
MOST_LOOKS = 5
SECONDS_FOR_GUARDS = 30.0
"""What a stack within a stack takes at most to be swept by its own guard."""
MODULE = "deploy.local.guard"


@dataclass(frozen=True, kw_only=True)
class Guard:
    """A running guard. Closing it, or dying, sets it to work."""

    process: subprocess.Popen[bytes]

    def close(self) -> None:
        """Let the guard sweep and wait until it is done."""
        self.process.communicate()


def new_mark(var: Path) -> str:
    """A mark for one run of the stack in `var`."""
    return f"{os.getpid()}-{os.urandom(4).hex()}:{var}"


def sweep_folder(var: Path) -> int:
    """End what any earlier run of the stack in `var` left behind; returns how many processes."""
    return sweep(lambda mark: mark.partition(":")[2] == str(var), seconds=1.0)


def start_guard(mark: str, *, remove: Sequence[Path] = (), inherited: Sequence[int] = ()) -> Guard:
    """Start a guard for `mark`, which last removes the files and folders in `remove`.

    It keeps the file descriptors in `inherited` open until it is done: a lock, for one.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", MODULE, mark, *map(str, remove)],
        cwd=Path(__file__).resolve().parents[2],
        stdin=subprocess.PIPE,
        start_new_session=True,
        pass_fds=inherited,
    )
    return Guard(process=process)


def sweep(belongs: Callable[[str], bool], seconds: float = SECONDS_TO_FINISH) -> int:
    """End every process whose mark `belongs` says is ours, guards excepted; returns how many.

    Each is asked first, and killed after `seconds`. Looks again until none is left, since a process
    that is going may still start another.
    """
    num_ended = 0
    for _ in range(MOST_LOOKS):
        found = [process for process in _marked(belongs) if not _is_guard(process)]
        if not found:
            break
        end_all(found, signal.SIGTERM, seconds)
        num_ended += len(found)
        seconds = 1.0
    return num_ended


def end_all(processes: Sequence[psutil.Process], ask: signal.Signals, seconds: float) -> None:
    """Send `ask` to each process, wait up to `seconds` for all, kill those left."""
    for number, patience in ((ask, seconds), (signal.SIGKILL, SECONDS_TO_DIE)):
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        deadline = time.monotonic() + patience
        while (processes := [one for one in processes if _lives(one)]) and time.monotonic() < deadline:
            time.sleep(0.02)


def _marked(belongs: Callable[[str], bool]) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        if process.pid == os.getpid():
            continue
        try:
            mark = process.environ().get(MARK)
        except (psutil.Error, OSError):  # gone meanwhile, or another user's
            continue
        if mark is not None and belongs(mark) and _lives(process):
            found.append(process)
    return found


def guards_wait(belongs: Callable[[str], bool]) -> None:
    """Wait until the guards of stacks that were started within ours have swept theirs."""
    deadline = time.monotonic() + SECONDS_FOR_GUARDS
    while any(map(_is_guard, _marked(belongs))) and time.monotonic() < deadline:
        time.sleep(0.1)


def _is_guard(process: psutil.Process) -> bool:
    try:
        return MODULE in process.cmdline()
    except (psutil.Error, OSError):
        return False


def _lives(process: psutil.Process) -> bool:
    """Whether it still runs: not gone, nor dead and waiting for its parent to notice."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def main(arguments: Sequence[str]) -> None:
    """Wait for the supervisor's end, then sweep."""
    mark, *remove = arguments
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.buffer.read()
    sweep(mark.__eq__)
    guards_wait(mark.__eq__)
    sweep((SERVER + mark).__eq__)
    for path in map(Path, remove):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


if __name__ == "__main__":
    main(sys.argv[1:])
