"""What Slurm says of a job, read, and what its end means for people. Pure.

Comes in: the words of `scontrol show job --oneliner` or `sacct`. Goes out: a JobState, a Failure.
"""

import re
from dataclasses import dataclass

from alignment.endings import failure_of
from pretrain.failures import Failure
from pretrain.run import RunFolder

WAITING = {"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "RESV_DEL_HOLD", "SUSPENDED"}
GOING = {*WAITING, "RUNNING", "COMPLETING", "RESIZING", "SIGNALING", "STAGE_OUT", "STOPPED"}
GONE = "GONE"
"""Slurm has forgotten the job."""


@dataclass(frozen=True, kw_only=True)
class JobState:
    """A job at one moment."""

    state: str
    exit_code: int = 0
    exit_signal: int = 0
    num_restarts: int = 0

    @property
    def returncode(self) -> int:
        """As a process would have ended: negative for a signal."""
        if self.exit_signal:
            return -self.exit_signal
        # A shell says so of a child that a signal ended.
        return 128 - self.exit_code if self.exit_code > 128 else self.exit_code


def parse_shown(line: str) -> JobState:
    """The line that scontrol prints."""
    found = dict(re.findall(r"(\w+)=(\S*)", line))
    code, _, number = found.get("ExitCode", "0:0").partition(":")
    return JobState(
        state=found["JobState"],
        exit_code=int(code),
        exit_signal=int(number or 0),
        num_restarts=int(found.get("Restarts", 0)),
    )


def parse_accounted(text: str) -> JobState:
    """The first line of `sacct --parsable2 --noheader --format=State,ExitCode`; GONE where it is empty."""
    line = text.strip().partition("\n")[0]
    if not line:
        return JobState(state=GONE)
    state, _, exit_code = line.partition("|")
    code, _, number = exit_code.partition(":")
    # "CANCELLED by 1000"
    return JobState(state=state.split()[0], exit_code=int(code or 0), exit_signal=int(number or 0))


def slurm_failure(folder: RunFolder, number: str, ended: JobState) -> Failure | None:
    """Why the job did not finish; None where it did."""
    if folder.read_result() is not None:
        return None
    log = folder.path / "log.txt"
    job = f"The Slurm job {number}"
    if ended.state in ("COMPLETED", "FAILED"):
        return failure_of(folder, ended.returncode)
    if (told := folder.read_failure()) is not None and ended.state != "CANCELLED":
        return told
    sentences = {
        "CANCELLED": (f"{job} was cancelled in Slurm by someone: retry to hand it in again.", False),
        "TIMEOUT": (
            f"{job} ran into its time limit before the program had saved: give it more `minutes` or "
            "`save_seconds` in LAUNCHER_OPTIONS. It goes on from its last checkpoint.",
            True,
        ),
        "DEADLINE": (
            f"{job} passed its deadline: take --deadline out of LAUNCHER_OPTIONS, then retry.",
            False,
        ),
        "PREEMPTED": (
            f"{job} had to make way for one of higher priority and was not queued again: retry it, or give "
            "another partition or qos in LAUNCHER_OPTIONS. It goes on from its last checkpoint.",
            True,
        ),
        "NODE_FAIL": (
            f"{job} lost its machine: look at it with `sinfo --list-reasons`. It goes on from its last "
            "checkpoint on another.",
            True,
        ),
        "BOOT_FAIL": (f"{job} got a machine that did not boot: look with `sinfo --list-reasons`.", True),
        "LAUNCH_FAILED": (
            f"{job} could not be started on its machine: `scontrol show node` says more.",
            True,
        ),
        "OUT_OF_MEMORY": (
            f"{job} was killed because its memory ran out: raise memory_gib in LAUNCHER_OPTIONS, or lower "
            "max_tokens_per_microbatch (training) or engine.kv_cache_gib (sampling); then retry.",
            False,
        ),
        GONE: (
            f"Slurm knows nothing of the job {number} any more, and it left no result. Its log is {log}; "
            "retry to hand it in again.",
            True,
        ),
    }
    sentence, may_pass = sentences.get(
        ended.state, (f"{job} ended as {ended.state} with no result: its log, {log}, may say more.", True)
    )
    return Failure(sentence=sentence, may_pass=may_pass)


def no_further(number: str, num_starts: int) -> Failure:
    """The failure of a job that its time limit cuts off again and again at the same place."""
    return Failure(
        sentence=f"The Slurm job {number} was started {num_starts} times and got no further: each start must "
        "save at least once. Give it more `minutes` in LAUNCHER_OPTIONS, or lower checkpoint_seconds in the "
        "recipe; then retry."
    )
