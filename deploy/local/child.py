"""One child process of the local stack: its command, its own session, its log file.

In: a command, an environment, a log file. Out: a process that can be started, watched, started again
and stopped. Each child leads its own session, so Ctrl-C in a terminal reaches only the supervisor,
which then stops the children in order.
"""

import pwd
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.errors import StackError

LOG_BYTES_KEPT = 8 * 2**20


@dataclass(kw_only=True)
class Child:
    """A command and the process that runs it, if one does."""

    name: str
    command: Sequence[str | Path]
    environment: Mapping[str, str]
    """The whole environment; nothing is inherited."""
    log: Path
    """Standard output and error are appended here."""
    folder: Path
    """The working folder."""
    user_id: int | None = None
    """Run as this user; only root may ask for another than itself."""
    stop_signal: signal.Signals = signal.SIGTERM
    """What asks it to finish and go."""
    inherited: Sequence[int] = ()
    """File descriptors it inherits, such as a listening socket."""
    make_way: Callable[[], None] | None = None
    """Called before each start: ends what an earlier run of it may have left behind."""
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def pid(self) -> int | None:
        """The running process, or None."""
        return self.process.pid if self.is_running() and self.process else None

    def start(self) -> None:
        """Start the process. Raises StackError if its program cannot be run."""
        assert not self.is_running(), self.name
        if self.make_way is not None:
            self.make_way()
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._log_shorten()
        with self.log.open("ab") as log:
            try:
                self.process = subprocess.Popen(
                    self.command,
                    env=dict(self.environment),
                    cwd=self.folder,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    pass_fds=self.inherited,
                    user=self.user_id,
                    group=None if self.user_id is None else pwd.getpwuid(self.user_id).pw_gid,
                    extra_groups=None if self.user_id is None else [],
                )
            except OSError as error:
                raise StackError(f"{self.name} cannot be started: {error}.") from error

    def is_running(self) -> bool:
        """Whether the process lives."""
        return self.process is not None and self.process.poll() is None

    def stop_ask(self) -> None:
        """Ask the process to finish; returns at once."""
        if self.is_running() and self.process:
            self.process.send_signal(self.stop_signal)

    def stop_wait(self, seconds: float) -> None:
        """Wait for the process to go; after `seconds`, kill it."""
        if self.process is None:
            return
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def log_tail(self, num_lines: int = 15) -> str:
        """The last lines of the log, for a message about what went wrong."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-num_lines:])

    def _log_shorten(self) -> None:
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES_KEPT:
            self.log.replace(self.log.with_suffix(".log.old"))
