"""Runs a function in a forked process that is killed with -9 again and again, until it comes to its end."""

import multiprocessing
import os
import random
import signal
from collections.abc import Callable
from typing import Any


def run_killed(
    function: Callable[..., object],
    *arguments: Any,  # Any: the function's own
    at_most: float,
    num_kills: int,
    seed: int = 0,
) -> int:
    """Kill `num_kills` starts after a random time of up to `at_most` seconds, then let one end.

    Returns how many were killed: fewer where one came to its end before its time.
    """
    context = multiprocessing.get_context("fork")
    random_times = random.Random(seed)
    for num_killed in range(num_kills):
        process = context.Process(target=function, args=arguments)
        process.start()
        process.join(random_times.uniform(0.0, at_most))
        if process.exitcode is not None:
            assert process.exitcode == 0, process.exitcode
            return num_killed
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
    process = context.Process(target=function, args=arguments)
    process.start()
    process.join(120)
    assert process.exitcode == 0, process.exitcode
    return num_kills
