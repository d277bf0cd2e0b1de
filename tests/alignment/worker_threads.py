"""A worker's thread that has a program, and waiting for what it does."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
from django.db import connection

from alignment.models import Program
from alignment.running import program_claim, program_run

SECONDS = 120.0


def work(program: Program) -> threading.Thread:
    """A worker's thread that has the program."""

    def run() -> None:
        claimed = program_claim(program.pk, program.attempt)
        assert claimed is not None
        program_run(claimed)
        connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def ended(worker: threading.Thread, program: Program) -> Program:
    """The program's row when its worker is done."""
    worker.join(SECONDS)
    assert not worker.is_alive()
    program.refresh_from_db()
    return program


def wait_until(holds: Callable[[], object], seconds: float = SECONDS) -> None:
    """Come back when it holds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def started(folder: Path, num: int = 1) -> list[psutil.Process]:
    """The program's processes, once there are `num`."""
    path = folder / "starts.txt"
    wait_until(lambda: path.exists() and len(path.read_text().split()) >= num)
    return [psutil.Process(int(pid)) for pid in path.read_text().split()]
