"""`var/stack.json`: what a running local stack says of itself, and the lock that lets only one run.

Everyone who wants to use a running stack reads this file (`accord.env` does, for Django's settings).
It is written whole, readable by its owner alone, and removed when the stack ends, however it ends.
"""

import contextlib
import fcntl
import os
import time
from pathlib import Path

import psutil
from pydantic import BaseModel, ConfigDict, ValidationError


class StackState(BaseModel):
    """A running stack: who supervises it and where its parts answer."""

    model_config = ConfigDict(frozen=True)

    var: Path
    """Where its data and logs lie."""
    pid: int
    """The supervisor."""
    started: float
    """When the supervisor's process began: process ids are used again."""
    web_url: str
    database_url: str
    redis_url: str
    pids: dict[str, int]
    """Each child's process, by name."""

    def is_alive(self) -> bool:
        """Whether the supervisor that wrote this still runs."""
        try:
            began: float = psutil.Process(self.pid).create_time()
        except psutil.NoSuchProcess:
            return False
        return abs(began - self.started) < 1.0

    @property
    def admin_hint(self) -> str:
        """How to sign in as admin."""
        return f"the password is in {self.var / 'admin_password'}."

    def wait(self) -> None:
        """Sleep until the stack ends or Ctrl-C is pressed."""
        with contextlib.suppress(KeyboardInterrupt):
            while self.is_alive():
                time.sleep(0.5)


def state_path(var: Path) -> Path:
    """Where the stack in `var` says that it runs."""
    return var / "stack.json"


def state_read(var: Path) -> StackState | None:
    """The running stack in `var`, or None."""
    try:
        state = StackState.model_validate_json(state_path(var).read_text())
    except (FileNotFoundError, ValidationError):
        return None
    return state if state.is_alive() else None


def state_write(var: Path, state: StackState) -> None:
    """Say that the stack runs; it holds passwords, so only the owner may read it."""
    path = state_path(var)
    aside = path.with_suffix(".new")
    aside.unlink(missing_ok=True)
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(state.model_dump_json(indent=2))
    aside.replace(path)


def lock_take(var: Path) -> int | None:
    """Take the stack's lock: a file descriptor that holds it as long as it is open, or None.

    The kernel gives the lock back when its last holder dies, so it never goes stale.
    """
    var.mkdir(parents=True, exist_ok=True)
    lock = os.open(var / "stack.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock
