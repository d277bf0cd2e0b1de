"""Programs as Slurm jobs: handed in with sbatch, looked at with scontrol, ended with scancel.

A job outlives the worker that handed it in; `job.json` in its run folder says its number, and the next worker
follows it from there. One look at a job is one question to the controller, for one job, every POLL_SECONDS.
"""

import logging
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from alignment.launching.handles import (
    handle_forget,
    handle_read,
    handle_stopping,
    handle_write,
    new_handle,
)
from alignment.launching.interface import LaunchError, Work
from alignment.launching.options import options_for
from alignment.launching.slurm_script import SCRIPT, SlurmOptions, slurm_script
from alignment.launching.slurm_states import (
    GOING,
    GONE,
    WAITING,
    JobState,
    no_further,
    parse_accounted,
    parse_shown,
    slurm_failure,
)
from alignment.progress import ProgressTail
from pretrain.failures import Failure
from pretrain.run import EXIT_USER_ERROR, RunFolder, write_atomically

logger = logging.getLogger(__name__)

LAUNCHER = "slurm"
POLL_SECONDS = 5.0
COMMAND_SECONDS = 30.0
"""How long a command of Slurm may take."""
SETTLE_SECONDS = 30.0
"""How long a shared disk may take to show what a job wrote last."""
OWN_WORDS = (1, EXIT_USER_ERROR)
"""With these a program ends that has written an `error.json`."""
STOP_SECONDS = 300.0
"""How long a job may take to end; Slurm's KillWait is a part of it."""
MAX_STARTS = 3
"""How often in a row a job may be started without getting further."""


class SlurmJob:
    """A job that Slurm has taken."""

    pid = None

    def __init__(self, folder: RunFolder, number: str, *, is_stopping: bool = False) -> None:
        self._folder = folder
        self._number = number
        self._is_stopping = is_stopping
        self._state = JobState(state="PENDING")
        self._looked = float("-inf")
        self._ended_at: float | None = None
        self._furthest = 0
        self._restarts_at_furthest = 0
        self._no_further: Failure | None = None

    @property
    def handle(self) -> str:
        """Its number, after the launcher's name."""
        return f"{LAUNCHER}:{self._number}"

    @property
    def running(self) -> bool:
        """Whether it waits or runs, or has just ended and the disk does not show how."""
        self._look()
        if self._no_further is not None:
            return False
        if self._state.state in GOING:
            return True
        if self._ended_at is None:
            self._ended_at = time.monotonic()
        told = self._folder.read_result() is not None or self._folder.read_failure() is not None
        may_come = self._state.state in ("COMPLETED", GONE) or self._state.exit_code in OWN_WORDS
        return may_come and not told and time.monotonic() - self._ended_at < SETTLE_SECONDS

    @property
    def waiting(self) -> bool:
        """Whether it is in the queue."""
        return self._state.state in WAITING

    def hear(self) -> None:
        """It does not ask for its worker."""

    def stop(self) -> None:
        """Cancel it, and come back when it is off its machines."""
        self._is_stopping = True
        handle_stopping(self._folder)
        job_end(self._number)
        handle_forget(self._folder)
        self._state = JobState(state="CANCELLED")

    def leave(self) -> None:
        """It runs on: the next worker finds it."""

    def failure(self) -> Failure | None:
        """Why it did not finish; None where it did."""
        if self._no_further is not None:
            return self._no_further
        failure = slurm_failure(self._folder, self._number, self._state)
        if failure is not None and self._is_stopping:
            return Failure(sentence="The job of an earlier try was still being ended.", may_pass=True)
        return failure

    def close(self) -> None:
        """Forget it."""
        handle_forget(self._folder)

    def _look(self) -> None:
        if time.monotonic() - self._looked < POLL_SECONDS or self._state.state not in GOING:
            return
        self._looked = time.monotonic()
        state = job_state(self._number)
        if state is None:
            return
        self._state = state
        row = ProgressTail(self._folder, from_start=True).latest()
        done = int(row["done"]) if row else 0
        if done > self._furthest:
            self._furthest, self._restarts_at_furthest = done, state.num_restarts
        if state.num_restarts - self._restarts_at_furthest >= MAX_STARTS:
            self.stop()
            self._no_further = no_further(self._number, state.num_restarts)


class SlurmLauncher:
    """Hands programs in to the cluster that this machine's slurm.conf names."""

    def __init__(self, options: Path | None, repository: Path, kinds: tuple[str, ...]) -> None:
        self._options = options
        self._repository = repository
        self._kinds = kinds

    def find(self, work: Work) -> SlurmJob | None:
        """The job of this folder, also where its worker died before it knew the job's number."""
        present = handle_read(work.folder)
        if present is None:
            return None
        number = present.handle or job_named(present.name)
        if not number:
            handle_forget(work.folder)
            return None
        handle_write(work.folder, replace(present, handle=number))
        return SlurmJob(work.folder, number, is_stopping=present.is_stopping)

    def start(self, work: Work) -> SlurmJob:
        """Hand the program in. Raises LaunchError where Slurm refuses it or cannot be reached."""
        options = options_for(work, self._options, SlurmOptions, kinds=self._kinds)
        handle = new_handle(LAUNCHER)
        script = work.folder.path / SCRIPT
        text = slurm_script(work, options, name=handle.name, repository=self._repository)
        write_atomically(script, text)
        handle_write(work.folder, handle)
        done = _asked(["sbatch", "--parsable", str(script)], work.environment)
        if done.returncode:
            # Of an answer that was lost nobody knows: the job may be there.
            number = job_named(handle.name)
            if not number:
                handle_forget(work.folder)
                raise LaunchError(_refused(done))
        else:
            number = done.stdout.strip().partition(";")[0]
        handle_write(work.folder, replace(handle, handle=number))
        return SlurmJob(work.folder, number)

    def end(self, work: Work, handle: str) -> None:
        """Cancel a job whose worker has died."""
        job_end(handle.removeprefix(f"{LAUNCHER}:"))
        present = handle_read(work.folder)
        if present is not None and handle.endswith(f":{present.handle}"):
            handle_forget(work.folder)


def job_state(number: str) -> JobState | None:
    """How the job stands; None where Slurm cannot be asked now."""
    done = _asked(["scontrol", "show", "job", "--oneliner", number])
    if done.returncode == 0 and "JobState=" in done.stdout:
        return parse_shown(done.stdout)
    if "Invalid job id" not in done.stdout + done.stderr:
        logger.warning("Slurm cannot be asked for job %s: %s", number, _first_line(done))
        return None
    # It ended a while ago. Accounting may remember it, where there is one.
    accounted = _asked(
        ["sacct", "--allocations", "--noheader", "--parsable2", "--format=State,ExitCode", f"--jobs={number}"]
    )
    return parse_accounted(accounted.stdout if accounted.returncode == 0 else "")


def job_named(name: str) -> str:
    """The number of the job with this name; empty where there is none. Raises LaunchError where Slurm cannot
    be asked."""
    done = _asked(["squeue", "--noheader", "--states=all", "--format=%i", f"--name={name}"])
    if done.returncode:
        raise LaunchError(_refused(done))
    return done.stdout.strip().partition("\n")[0]


def job_end(number: str) -> None:
    """Cancel a job, and come back when nothing of it runs any more."""
    deadline = time.monotonic() + STOP_SECONDS
    while time.monotonic() < deadline:
        state = job_state(number)
        if state is not None and state.state not in GOING:
            return
        if state is None or state.state != "COMPLETING":
            _asked(["scancel", number])
        time.sleep(min(POLL_SECONDS, 1.0))
    logger.error("The Slurm job %s has not ended %.0f s after it was cancelled.", number, STOP_SECONDS)


def _asked(
    command: Sequence[str], environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """What a command of Slurm says; status 127 where it is not there, 124 where it takes too long."""
    try:
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False
        )
    except FileNotFoundError:
        return subprocess.CompletedProcess(command, 127, "", f"{command[0]} is not installed on this machine")
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(
            command, 124, "", f"{command[0]} gave no answer for {COMMAND_SECONDS:.0f} s"
        )


def _refused(done: subprocess.CompletedProcess[str]) -> Failure:
    away = done.returncode == 124 or "contact" in done.stderr or "onnection" in done.stderr
    what = "cannot be reached" if away else "refused the job"
    advice = "look after slurmctld" if away else "mend LAUNCHER_OPTIONS"
    return Failure(sentence=f"Slurm {what} ({_first_line(done)}): {advice}, then retry.", may_pass=away)


def _first_line(done: subprocess.CompletedProcess[str]) -> str:
    lines = (done.stderr or done.stdout).strip().splitlines()
    return lines[-1] if lines else f"status {done.returncode}"
