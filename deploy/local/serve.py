"""Runs the local stack until Ctrl-C.

    python -m deploy.local.serve [--until-stdin-closes] [--most-restarts N]

Everything lies under ACCORD_VAR (by default `var`). Where one runs there already, this says where it
answers and ends with status 0.
"""

import argparse
import os
import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import NoReturn

from accord.env import var_folder
from deploy.local.errors import StackError
from deploy.local.state import lock_take, state_read
from deploy.local.supervisor import MOST_RESTARTS, RESTART_SECONDS, Supervisor

SECONDS_FOR_ANOTHER = 120.0
"""How long to wait for another start to get ready, or for an earlier run to be gone."""

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopAsked(Exception):
    """Somebody asks the stack to stop."""


def main() -> int:
    """Serve; returns the exit status."""
    arguments = _arguments()
    var = var_folder()
    try:
        lock = _lock_or_running(var)
        if lock is None:
            return 0
        supervisor = Supervisor(var, lock=lock, say=_say, most_restarts=arguments.most_restarts)
        _serve(supervisor, until_stdin_closes=arguments.until_stdin_closes)
    except StackError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _serve(supervisor: Supervisor, *, until_stdin_closes: bool) -> None:
    for number in SIGNALS:
        signal.signal(number, _stop_asked)
    if until_stdin_closes:
        threading.Thread(target=_stop_when_stdin_closes, daemon=True).start()
    try:
        _say(f"Accord is starting; its data and logs are in {supervisor.var}.")
        supervisor.start()
        _say("Ctrl-C stops it.")
        supervisor.watch()
    except StopAsked:
        _say("Accord is stopping.")
    finally:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        supervisor.stop()


def _lock_or_running(var: Path) -> int | None:
    """The lock, or None if a stack runs and its address was said. Raises StackError."""
    deadline = time.monotonic() + SECONDS_FOR_ANOTHER
    while time.monotonic() < deadline:
        lock = lock_take(var)
        if lock is not None:
            return lock
        state = state_read(var)
        if state is not None:
            _say(f"Accord is already running at {state.web_url} (process {state.pid}).")
            return None
        time.sleep(0.2)
    raise StackError(f"Another start of the stack in {var} neither gets ready nor ends: stop it first.")


def _stop_asked(number: int, frame: FrameType | None) -> NoReturn:
    raise StopAsked


def _stop_when_stdin_closes() -> None:
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)


def _say(sentence: str) -> None:
    sys.stdout.write(f"{sentence}\n")
    sys.stdout.flush()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m deploy.local.serve", description="Run the local stack.")
    parser.add_argument(
        "--until-stdin-closes",
        action="store_true",
        help="stop when standard input ends: for programs that start the stack and may die",
    )
    parser.add_argument(
        "--most-restarts",
        type=int,
        default=MOST_RESTARTS,
        metavar="N",
        help=f"give up when one part dies more often than this within {RESTART_SECONDS:.0f} seconds",
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
