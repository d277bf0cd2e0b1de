"""Programs as children of the worker, under a keeper that ends them when the worker dies."""

import logging

from alignment.endings import failure_of, oom_kills
from alignment.launching.interface import Work
from alignment.program_process import ProgramProcess, leftovers_end, process_start
from pretrain.failures import Failure
from pretrain.run import RunFolder, program_command

logger = logging.getLogger(__name__)


class LocalJob:
    """A child of this worker."""

    handle = ""
    waiting = False

    def __init__(self, process: ProgramProcess, folder: RunFolder, kills_before: int) -> None:
        self._process = process
        self._folder = folder
        self._kills_before = kills_before

    @property
    def pid(self) -> int | None:
        """The keeper's."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it lives."""
        return self._process.running

    def hear(self) -> None:
        """Let it live on for as long as its silence says."""
        self._process.hear()

    def stop(self) -> None:
        """Have it save and end, and come back when nothing of it runs any more."""
        self._process.stop()

    def leave(self) -> None:
        """It cannot be without its worker."""
        self.stop()

    def failure(self) -> Failure | None:
        """Why it did not finish; None where it did."""
        kills = oom_kills() - self._kills_before
        return failure_of(self._folder, self._process.returncode, oom_kills=kills)

    def close(self) -> None:
        """Nothing outside this process knows of it."""


class LocalLauncher:
    """Starts programs on the worker's own machine."""

    def find(self, work: Work) -> None:
        """None: with its worker a program has died, and what is left of it is ended here."""
        leftovers_end(work.folder)

    def start(self, work: Work) -> LocalJob:
        """Start the program under a keeper."""
        kills_before = oom_kills()
        process = process_start(
            program_command(work.module, work.folder),
            log=work.folder.path / "log.txt",
            environment=work.environment,
            grace=work.grace,
            silence=work.silence,
        )
        return LocalJob(process, work.folder, kills_before)

    def end(self, work: Work, handle: str) -> None:
        """A job of a cluster, which only a deployment before this one can have started, is not ended here."""
        logger.warning("The job %s is of another launcher: look after it there.", handle)
