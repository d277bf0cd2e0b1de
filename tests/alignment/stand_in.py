"""A program that keeps the run folder's contract and behaves as told, for tests of what runs it.

Real programs take seconds to import torch; what starts, follows and ends programs is the same for this one.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Literal

from pretrain.run import ProgramConfig, ProgramError, RunFolder, program_main

DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(120)"
"""A process in a session of its own that does not hear."""


class StandInConfig(ProgramConfig):
    """How the program behaves."""

    behaviour: Literal["finish", "refuse", "break", "die", "hang", "cling", "breed", "wait"]
    steps: int = 3
    until: Path | None = None
    """It works until there is this file."""
    num_processes: int = 1


def run(config: StandInConfig, folder: RunFolder) -> None:
    """Behave."""
    if config.behaviour == "cling":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with (folder.path / "starts.txt").open("a") as starts:
        starts.write(f"{os.getpid()}\n")
    while config.until is not None and not config.until.exists():
        time.sleep(0.05)
    if config.behaviour == "refuse":
        raise ProgramError("The data is too small: give more rows.")
    if config.behaviour == "break":
        raise ValueError("unexpected")
    if config.behaviour == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    for step in range(config.steps):
        folder.progress(step + 1, config.steps, "steps")
    if config.behaviour in ("hang", "cling"):
        time.sleep(120)
    if config.behaviour == "breed":
        child = subprocess.Popen([sys.executable, "-S", "-c", DEAF], start_new_session=True)
        with (folder.path / "starts.txt").open("a") as starts:
            starts.write(f"{child.pid}\n")
        time.sleep(120)
    while config.behaviour == "wait" and not (folder.path / "go").exists():
        folder.progress(1, config.steps, "steps")
        time.sleep(0.1)
    folder.finish({"num_tokens": 7})


if __name__ == "__main__":
    program_main(StandInConfig, run)
