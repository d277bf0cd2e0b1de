"""Runs a function in a forked process that is killed again and again, until it comes to its end.

When it is killed is told by what it has done, not by a clock alone: a slow machine and a fast one see the
same number of kills.
"""

import multiprocessing
import random
import signal
import sys
from collections.abc import Callable
from typing import Any

LONGEST_DELAY = 0.02
"""Seconds from the last file put in place to the kill: the next step, or the writing of the next file."""


def run_killed(
    function: Callable[..., object],
    *arguments: Any,  # Any: the function's own
    num_kills: int,
    most_files: int = 3,
    seed: int = 0,
) -> int:
    """Kill `num_kills` starts, each a moment after it put 0 to `most_files` files in place, then let one end.

    A file is put in place by renaming, as a checkpoint is when it is whole. Returns how many were killed:
    fewer where one came to its end before its time.
    """
    context = multiprocessing.get_context("fork")
    draw = random.Random(seed)
    for num_killed in range(num_kills):
        moment = draw.randint(0, most_files), draw.uniform(0.001, LONGEST_DELAY)
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


def _run_until(files_left: int, delay: float, function: Callable[..., object], arguments: Any) -> None:
    """Call the function, and let the kernel end this process at the moment, as suddenly as by -9."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # ends the process without a word to Python

    def count(event: str, _arguments: tuple[Any, ...]) -> None:
        nonlocal files_left
        if event == "os.rename":
            files_left -= 1
            if files_left == 0:
                signal.setitimer(signal.ITIMER_REAL, delay)

    if files_left == 0:
        signal.setitimer(signal.ITIMER_REAL, delay)
    sys.addaudithook(count)
    function(*arguments)
