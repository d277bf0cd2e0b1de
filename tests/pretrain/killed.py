"""Runs a function in a forked process that is killed again and again, until it comes to its end.

When it is killed is told by what it has done, not by a clock alone: a slow machine and a fast one see the
same number of kills.
"""

import multiprocessing
import os
import random
import runpy
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

LONGEST_DELAY = 0.002
"""Seconds from the last file begun or put in place to the kill."""


def run_killed(
    function: Callable[..., object],
    *arguments: Any,  # Any: the function's own
    num_kills: int,
    most_files: int = 3,
    seed: int = 0,
) -> int:
    """Kill `num_kills` starts, each a moment after it began, or put in place, one of its first files: up to
    `most_files` of them. Then let one end.

    A file is begun under a name that ends in `.writing`, and put in place by renaming once it is whole.
    Returns how many were killed: fewer where one came to its end before its time.
    """
    context = multiprocessing.get_context("fork")
    draw = random.Random(seed)
    for num_killed in range(num_kills):
        moment = draw.randint(0, 2 * most_files), draw.uniform(0.001, LONGEST_DELAY)
        process = context.Process(target=_run_until, args=(*moment, function, arguments))
        process.start()
        process.join(120)
        if process.exitcode == 0:
            return num_killed
        assert process.exitcode == -signal.SIGALRM, process.exitcode
    process = context.Process(target=function, args=arguments)
    process.start()
    process.join(120)
    assert process.exitcode == 0, process.exitcode
    return num_kills


def run_until(prefix: str, function: Callable[..., object], *arguments: Any) -> None:
    """Call the function in this process, which ends suddenly once a file named so is in place."""
    end_once_there(prefix)
    function(*arguments)


def _run_until(num_events: int, delay: float, function: Callable[..., object], arguments: Any) -> None:
    """Call the function, and let the kernel end this process at the moment."""
    end_after(lambda event, path: event == "os.rename" or path.endswith(".writing"), delay, num_events)
    function(*arguments)


def end_after(counts: Callable[[str, str], bool], delay: float, num_events: int = 1) -> None:
    """Let the kernel end this process, as suddenly as by -9, `delay` seconds after so many events.

    `counts(event, path)`: whether it counts that a file was opened ("open") or given a new name
    ("os.rename", with the new one).
    """
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # ends the process without a word to Python
    events_left = num_events

    def count(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal events_left
        if event not in ("open", "os.rename") or isinstance(arguments[0], int):
            return
        if counts(event, os.fsdecode(arguments[event == "os.rename"])):
            events_left -= 1
            if events_left == 0:
                signal.setitimer(signal.ITIMER_REAL, delay)

    if num_events == 0:
        signal.setitimer(signal.ITIMER_REAL, delay)
    sys.addaudithook(count)


def end_once_there(prefix: str) -> None:
    """Let this process end suddenly once a file whose name begins so is in place."""
    end_after(lambda event, path: event == "os.rename" and Path(path).name.startswith(prefix), 0.001)


def start_killed(prefix: str, module: str, *arguments: str, cwd: Path) -> "subprocess.Popen[str]":
    """Start `python -m MODULE ARGUMENT ...`, which ends suddenly once a file named so is in place."""
    command = [sys.executable, "-m", "tests.pretrain.killed", prefix, module, *arguments]
    return subprocess.Popen(command, cwd=cwd, stderr=subprocess.PIPE, text=True)


if __name__ == "__main__":
    end_once_there(sys.argv[1])
    sys.argv = sys.argv[2:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
