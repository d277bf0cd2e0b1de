"""What every launcher offers: start a program in its run folder, find it again, follow it, stop it.

The run folder is the contract everywhere: `run.json` goes in; metrics, log, checkpoints and last
`result.json` or `error.json` come out, on a disk that the worker and the program's machine both see.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from pretrain.failures import Failure
from pretrain.run import RunFolder


@dataclass(frozen=True, kw_only=True)
class Work:
    """One program that is to run."""

    folder: RunFolder
    module: str
    """What `python -m` starts."""
    kind: str
    """The name of its stage; empty for what belongs to no round."""
    queue: str
    """"training" or "sampling"."""
    environment: Mapping[str, str]
    """All of the program's environment."""
    grace: float
    """Seconds from SIGTERM to SIGKILL."""
    silence: float
    """A program that ends with its worker ends when the worker was not heard for so many seconds."""


class LaunchError(Exception):
    """The program could not be started: a Failure that says why, and whether it may go well later."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.sentence)
        self.failure = failure


class Job(Protocol):
    """A program that was started."""

    @property
    def handle(self) -> str:
        """What finds it when its worker has died, such as "slurm:17"; empty where it dies with its worker."""

    @property
    def pid(self) -> int | None:
        """A process of this machine above all of the program's; None where it runs elsewhere."""

    @property
    def running(self) -> bool:
        """Whether it lives or waits. May be asked as often as one likes: the engine is asked less often."""

    @property
    def waiting(self) -> bool:
        """Whether it waits for a machine, so that no progress is to be expected."""

    def hear(self) -> None:
        """Tell it that its worker lives."""

    def stop(self) -> None:
        """Have it save and end, and come back when nothing of it runs any more."""

    def leave(self) -> None:
        """Its worker goes. It runs on where another worker can find it; else it is stopped."""

    def failure(self) -> Failure | None:
        """Why it did not finish; None where it did. Only of one that has ended."""

    def close(self) -> None:
        """Its end is written down: it is not to be found again."""


class Launcher(Protocol):
    """A way to run programs."""

    def find(self, work: Work) -> Job | None:
        """The job that an earlier worker started in this folder and whose end nobody has written down.

        None where there is none; then no process of an earlier attempt is left in the folder.
        """

    def start(self, work: Work) -> Job:
        """Start the program. Raises LaunchError."""

    def end(self, work: Work, handle: str) -> None:
        """End the job with this handle, if it still runs, and come back when it does not."""
