"""The operating system's side of a program: starts it under its keeper, stops it, ends what is left of it.

Every process of ours that computes runs under `pretrain.keeper`, which holds one end of a pipe whose other
end is here: when this process dies, the program is asked to stop and then killed, with all it started.
"""

import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import psutil
from django.conf import settings

from alignment.program_forks import keeper_fork
from pretrain import keeper
from pretrain.run import RunFolder

MARK = "ACCORD_PROGRAM"
"""The environment variable that tells the processes of one start from all others."""
LOOK_SECONDS = 0.02
SECONDS_TO_DIE = 10.0
FORK_SECONDS = 30.0
"""How long the fork of a program may take: for the first of its kind everything is imported."""


class Keeper(Protocol):
    """A running keeper, our child or not."""

    pid: int

    @property
    def returncode(self) -> int | None:
        """The program's exit status, negative for a signal; None while nobody saw it end."""

    def poll(self) -> int | None:
        """The status, or None while the keeper runs."""

    def wait(self, timeout: float | None = None) -> int:
        """The status, once there is one. Raises subprocess.TimeoutExpired."""

    def terminate(self) -> None:
        """Ask it to stop the program."""

    def kill(self) -> None:
        """Kill it."""

    def hear(self) -> None:
        """Tell it that the program may go on."""

    def close(self) -> None:
        """Be done with one that has ended."""


class ChildKeeper(subprocess.Popen[bytes]):
    """A keeper that is our child; its standard input is the lifeline."""

    def hear(self) -> None:
        """Tell it that the program may go on."""
        assert self.stdin is not None
        with suppress(BrokenPipeError):  # it has ended
            self.stdin.write(b".")
            self.stdin.flush()

    def close(self) -> None:
        """Be done with one that has ended."""
        assert self.stdin is not None
        with suppress(BrokenPipeError):
            self.stdin.close()


@dataclass(kw_only=True)
class ProgramProcess:
    """A running program: its keeper, which ends as the program does."""

    keeper: Keeper
    mark: str
    grace: float
    """Seconds from SIGTERM to SIGKILL."""
    _is_closed: bool = False

    @property
    def pid(self) -> int:
        """The keeper's id."""
        return self.keeper.pid

    @property
    def returncode(self) -> int:
        """The exit status, negative for a signal. Only of one that has ended."""
        assert self.keeper.returncode is not None, self
        return self.keeper.returncode

    @property
    def running(self) -> bool:
        """Whether it lives. What a killed keeper left behind is ended."""
        if self.keeper.poll() is None:
            return True
        self._close()
        return False

    def hear(self) -> None:
        """Tell the keeper that the program may go on for as long as its `silence` says."""
        self.keeper.hear()

    def stop(self) -> None:
        """Ask the program to stop, and come back when nothing of it runs any more."""
        started: list[psutil.Process] = []
        with suppress(psutil.NoSuchProcess):
            started = psutil.Process(self.pid).children(recursive=True)
        self.keeper.terminate()
        try:
            # The keeper itself kills what does not hear.
            self.keeper.wait(self.grace + SECONDS_TO_DIE)
        except subprocess.TimeoutExpired:
            self.keeper.kill()
            self.keeper.wait()
        kill_all(started)
        self._close()

    def _close(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        self.keeper.close()
        if self.keeper.returncode == -signal.SIGKILL:
            kill_all(marked(self.mark))


def process_start(
    command: Sequence[str],
    *,
    log: Path,
    environment: Mapping[str, str],
    grace: float = keeper.GRACE_SECONDS,
    silence: float | None = None,
) -> ProgramProcess:
    """Start `command` under a keeper, its output appended to `log`.

    From SIGTERM to SIGKILL it has `grace` seconds. With `silence` it is stopped when `hear` was not called
    for so many seconds.
    """
    mark = secrets.token_hex(8)
    options = ["--grace", str(grace)] + ([] if silence is None else ["--silence", str(silence)])
    # Without site-packages: it starts in a moment.
    keeper_command = [sys.executable, "-S", "-E", keeper.__file__, *options, *command]
    folder: Path = settings.ACCORD_REPOSITORY
    with log.open("ab") as out:
        started: Keeper | None = None
        if settings.ACCORD_FORK_PROGRAMS:
            started = keeper_fork(
                command,
                keeper_command=keeper_command,
                log=out.fileno(),
                folder=folder,
                environment=environment,
                mark=(MARK, mark),
                grace=grace,
                silence=silence,
                patience=FORK_SECONDS if silence is None else min(FORK_SECONDS, silence * 3 / 4),
            )
        if started is None:
            started = ChildKeeper(
                keeper_command,
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env={**environment, MARK: mark},
                start_new_session=True,
            )
    return ProgramProcess(keeper=started, mark=mark, grace=grace)


def leftovers_end(folder: RunFolder) -> None:
    """End the processes of this machine that work in the run folder, such as a lost attempt's."""
    config = str(folder.config_path)
    running = psutil.process_iter(["cmdline"])
    kill_all([process for process in running if config in (process.info["cmdline"] or [])])


def marked(mark: str) -> list[psutil.Process]:
    """The processes of one start."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):  # gone meanwhile, or another user's
            if process.environ().get(MARK) == mark:
                found.append(process)
    return found


def kill_all(processes: list[psutil.Process]) -> None:
    """Kill those that still run, and come back when they no longer do."""
    for process in filter(is_alive, processes):
        with suppress(psutil.NoSuchProcess):
            process.kill()
    waited_since = time.monotonic()
    while any(map(is_alive, processes)) and time.monotonic() - waited_since < SECONDS_TO_DIE:
        time.sleep(LOOK_SECONDS)


def is_alive(process: psutil.Process) -> bool:
    """Whether it can still do something: a zombie, whose parent has not looked yet, cannot."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
