"""Runs one command on each of several hosts, all or none.

    python -m pretrain.across_hosts COMMANDS.json

COMMANDS.json holds a list of commands, each a list of words, such as `ssh HOST "python -m pretrain.keeper"`.
Each is started with a pipe as its standard input, which is its lifeline: it closes when this process ends, in
whatever way. When one command fails, or this process is asked to stop, the pipes of all are closed, and this
process waits until all have ended. It ends with the first status that is not 0.

Nothing but the standard library: it starts in a moment.
"""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

LOOK_SECONDS = 0.05
SECONDS_TO_END = 60.0
"""How long a host may take to end its part once its pipe is closed; its keeper's grace is a part of it."""
STOPPED = 128 + signal.SIGTERM


class Stopped(Exception):
    """This process was asked to stop."""


def run(commands: Sequence[Sequence[str]]) -> int:
    """Run them all; the first status that is not 0, else 0."""
    signal.signal(signal.SIGTERM, _stop)
    processes: list[subprocess.Popen[bytes]] = []
    status = 0
    try:
        for command in commands:
            processes.append(subprocess.Popen(command, stdin=subprocess.PIPE))
        while not status and any(process.poll() is None for process in processes):
            time.sleep(LOOK_SECONDS)
            status = first_failure(processes)
        status = status or first_failure(processes)
    except Stopped:
        status = STOPPED
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        end(processes)
    return status


def first_failure(processes: Sequence[subprocess.Popen[bytes]]) -> int:
    """The first status that is not 0; 0 where none has failed."""
    return next((process.returncode for process in processes if process.poll()), 0)


def end(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Close the lifelines, and come back when all have ended."""
    for process in processes:
        assert process.stdin is not None
        process.stdin.close()
    deadline = time.monotonic() + SECONDS_TO_END
    for process in processes:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise Stopped


def main(arguments: Sequence[str]) -> int:
    """The program; its exit status."""
    (path,) = arguments
    status = run(json.loads(Path(path).read_text(encoding="utf-8")))
    return 128 - status if status < 0 else status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
