"""How a program ended, in a sentence that says what to do, and whether to try it again.

Comes in: the exit status, the run folder, what was noticed while it ran. Goes out: a Failure, or None where
the program finished. No database.
"""

import shutil
import signal
from pathlib import Path

from pretrain.failures import Failure
from pretrain.run import EXIT_TERMINATED, RunFolder

FULL_BYTES = 1 << 20
"""A disk with less free space is full: not even the sentence about it could be written."""
OOM_COUNTERS = (Path("/proc/vmstat"), Path("/sys/fs/cgroup/memory.events"))
"""Where the kernel counts the processes that it killed for want of memory: the machine's, the container's."""


def failure_of(folder: RunFolder, returncode: int, *, oom_kills: int = 0) -> Failure | None:
    """Why the program with this exit status did not finish; None where it did.

    `oom_kills` is how many processes the kernel killed for want of memory while it ran.
    """
    if returncode == 0 and folder.read_result() is not None:
        return None
    log = folder.path / "log.txt"
    told = folder.read_failure()
    if told is not None:
        return told
    if shutil.disk_usage(folder.path).free < FULL_BYTES:
        return Failure(sentence=f"The disk of {folder.path} is full: free space on it, then retry.")
    if returncode in (EXIT_TERMINATED, -signal.SIGTERM):
        return Failure(sentence="The program was stopped by SIGTERM: retry to let it go on.", may_pass=True)
    if returncode == -signal.SIGKILL and oom_kills:
        return Failure(
            sentence="The program was killed by SIGKILL: the kernel ended it because the machine's memory "
            "ran out. Let fewer programs run at once, lower max_tokens_per_microbatch (training) or "
            f"engine.kv_cache_gib (sampling), or add memory; then retry. Its log is {log}.",
            may_pass=True,
        )
    if returncode < 0:
        name = signal.Signals(-returncode).name
        why = (
            " Someone killed it, or the memory ran out (`dmesg` says)."
            if name == "SIGKILL"
            else " That is a fault in the program or in what it stands on."
        )
        return Failure(
            sentence=f"The program was killed by {name}.{why} Retry it, or look into its log, {log}.",
            may_pass=True,
        )
    return Failure(
        sentence=f"The program ended with status {returncode} and no result: its log, {log}, says more.",
        may_pass=True,
    )


def stalled(folder: RunFolder, seconds: float) -> Failure:
    """The failure of a program that got nowhere for `seconds`."""
    return Failure(
        sentence=f"The program showed no progress for {duration(seconds)} and was stopped. Its log, "
        f"{folder.path}/log.txt, may say what it waited for. If its steps are only slow, raise stall_seconds "
        "in the recipe.",
        may_pass=True,
    )


def database_lost(seconds: float) -> Failure:
    """The failure of a program that was stopped because its lease could not be renewed."""
    return Failure(
        sentence=f"The worker could not reach the database for {duration(seconds)}, so its program was "
        "stopped before another worker might start it: look after PostgreSQL and the network, then retry.",
        may_pass=True,
    )


def duration(seconds: float) -> str:
    """Seconds or minutes in words."""
    if seconds < 120:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes"


def oom_kills() -> int:
    """How many processes the kernel has killed for want of memory since it started."""
    count = 0
    for path in OOM_COUNTERS:
        try:
            lines = path.read_text().splitlines()
        except OSError:
            continue
        count += sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))
    return count
