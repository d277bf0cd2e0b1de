"""Starts programs in a moment: forks them off a process in which all that they import is already there.

    python -m pretrain.fork_server LISTENER

LISTENER is the number of an inherited socket (Unix, packets). Who connects either says nothing, and keeps the
server alive for as long as the connection is open, or asks for one program: `Asking` as JSON, with the log's
file descriptor. The module is imported here first, so that the next program of its kind finds it; then a
keeper is forked off, as `pretrain.keeper` is one, and the connection is its lifeline. It tells its process id
(`{"pid"}`), waits for the first word, forks the program off, and last tells the status (`{"status"}`). A
server that must not fork tells why (`{"refused"}`) and ends.

Nothing is computed here and nothing of CUDA touched: before every fork there must be one thread, and every
imported file must be as it was when it was imported. A server that nobody holds, or that nobody asked for
IDLE_SECONDS, ends; what it has forked goes on, since it is kept by its own keepers.
"""

import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pretrain import keeper
from pretrain.process_words import command_line_write, variable_write

IDLE_SECONDS = 600.0
SECONDS_TO_CONNECT = 30.0
"""In which the one who started the server connects."""
MOST_BYTES = 65536
STALE = "stale"
"""Why a server refuses whose files have changed: a new one will do."""
THREADED = "threads"
"""Why it refuses when a module it imported has started threads: another would refuse, too."""


@dataclass(frozen=True, kw_only=True)
class Asking:
    """One program that is asked for."""

    module: str
    arguments: list[str]
    command: list[str]
    """What would start the program without this server: its command line."""
    keeper: list[str]
    """The same for its keeper."""
    mark: tuple[str, str]
    """A variable of the environment, which the server was started with, and the value it gets."""
    grace: float
    silence: float | None


class Forked:
    """A child of this process that was forked off: what `keeper.Command` asks for."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._status: int | None = None

    def poll(self) -> int | None:
        """The exit status, negative for a signal, or None while it runs."""
        return self._look(os.WNOHANG)

    def wait(self) -> int:
        """The exit status, once there is one."""
        status = self._look(0)
        assert status is not None
        return status

    def _look(self, options: int) -> int | None:
        if self._status is None:
            pid, status = os.waitpid(self.pid, options)
            if pid:
                self._status = os.waitstatus_to_exitcode(status)
        return self._status


class Imported:
    """The files of all modules that were imported, as they were then."""

    def __init__(self) -> None:
        self._stamps: dict[str, tuple[int, int] | None] = {}

    def add(self, module: str) -> None:
        """Import `module`, and what it imports."""
        # A program that cannot be imported says so itself, in its log.
        with suppress(Exception):
            importlib.import_module(module)
        for each in list(sys.modules.values()):
            path = getattr(each, "__file__", None)
            if path is not None and path not in self._stamps:
                self._stamps[path] = stamp(path)
        gc.collect()
        gc.freeze()  # else collecting in a child would copy every page

    def changed(self) -> bool:
        """Whether any file has changed."""
        return any(stamp(path) != before for path, before in self._stamps.items())


def stamp(path: str) -> tuple[int, int] | None:
    """By what one sees that a file has changed; None where there is none."""
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


class Server:
    """Answers on a listening socket."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._connections: list[socket.socket] = []
        self._imported = Imported()
        self._wakes, self._woken = os.pipe()
        for end in (self._wakes, self._woken):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._woken, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # wakes us

    def serve(self) -> tuple[Asking, socket.socket, int] | None:
        """Answer until the server ends (None), or in a forked process what it is to keep, its connection, and
        its log."""
        left = SECONDS_TO_CONNECT
        asked_at = time.monotonic()
        while True:
            awaited: list[int | socket.socket] = [self._listener, self._wakes, *self._connections]
            ready, _, _ = select.select(awaited, [], [], left)
            self._bury()
            if self._listener in ready:
                connection, _ = self._listener.accept()
                if is_own(connection):
                    self._connections.append(connection)
            for connection in [each for each in self._connections if each in ready]:
                asking, log = receive(connection)
                if asking is not None:
                    refused = self._refusal(asking)
                    if refused is None and self._fork(connection):
                        return asking, connection, log
                    asked_at = time.monotonic()
                    if refused is not None:
                        self._listener.close()  # the next to connect starts another server
                        send(connection, {"refused": refused})
                        return None
                    os.close(log)
                self._connections.remove(connection)
                connection.close()
            left = IDLE_SECONDS - (time.monotonic() - asked_at)
            if not self._connections or left <= 0:
                return None

    def _refusal(self, asking: Asking) -> str | None:
        if self._imported.changed():
            return STALE
        self._imported.add(asking.module)
        if num_threads() != 1:
            end_idle_threads()
        return None if num_threads() == 1 else THREADED

    def _fork(self, connection: socket.socket) -> bool:
        """Whether this is the forked process, which has `connection` alone."""
        if os.fork():
            return False
        signal.set_wakeup_fd(-1)
        os.close(self._wakes)
        os.close(self._woken)
        self._listener.close()
        for each in self._connections:
            if each is not connection:
                each.close()
        return True

    def _bury(self) -> None:
        """Wait for keepers that have ended."""
        with suppress(BlockingIOError):
            os.read(self._wakes, 4096)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass


def num_threads() -> int:
    """Of this process, those of libraries included."""
    return len(list(Path("/proc/self/task").iterdir()))


def end_idle_threads() -> None:
    """Let libraries end the threads that they would end before a fork, by one whose child does nothing.

    OpenBLAS starts its threads when it is loaded, ends them before a fork, and starts them again when it
    needs them.
    """
    pid = os.fork()
    if not pid:
        os._exit(0)
    os.waitpid(pid, 0)


def is_own(connection: socket.socket) -> bool:
    """Whether the other side is a process of this user."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", credentials)[1]) == os.getuid()


def receive(connection: socket.socket) -> tuple[Asking | None, int]:
    """What is asked for, with the log's file descriptor; None from one who has gone, or is not ours."""
    try:
        told, descriptors, _, _ = socket.recv_fds(connection, MOST_BYTES, 1)
    except ConnectionError:
        return None, -1
    if not told or len(descriptors) != 1:
        return None, -1
    return Asking(**json.loads(told)), descriptors[0]


def send(connection: socket.socket, words: dict[str, int | str]) -> bool:
    """Tell the other side; whether it is still there."""
    try:
        connection.send(json.dumps(words).encode())
    except ConnectionError:
        return False
    return True


def keep_forked(asking: Asking, connection: socket.socket, log: int) -> Callable[[], None]:
    """In the forked process: be a keeper, and come back in the program's process with what it is to do."""
    os.setsid()
    command_line_write(asking.keeper)
    variable_write(*asking.mark)
    os.dup2(connection.fileno(), keeper.LIFELINE)
    connection.close()
    lifeline = socket.socket(fileno=keeper.LIFELINE)
    for stream in (1, 2):
        os.dup2(log, stream)
    os.close(log)
    asked = keeper.Asked()
    if not send(lifeline, {"pid": os.getpid()}) or not lifeline.recv(MOST_BYTES):
        os._exit(0)  # whoever asked has gone on without us
    pid = os.fork()
    if pid:
        status = keeper.keep(Forked(pid), asked, grace=asking.grace, silence=asking.silence)
        send(lifeline, {"status": status})
        os._exit(0)
    lifeline.detach()
    begin(asking, asked)
    return lambda: module_run(asking.module)


def module_run(module: str) -> None:
    """What `python -m MODULE` does."""
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def begin(asking: Asking, asked: keeper.Asked) -> None:
    """In the program's process: be as one that was started by its command line."""
    os.setsid()
    asked.forget()
    asked.stop_with()
    command_line_write(asking.command)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    sys.argv = ["", *asking.arguments]
    sys.orig_argv = asking.command
    if "numpy.random" in sys.modules:  # as `random` does by itself
        sys.modules["numpy.random"].seed()
    # It is run, not imported: what it defines is in `__main__` alone.
    sys.modules.pop(asking.module, None)


def main(arguments: Sequence[str]) -> Callable[[], None]:
    """Serve. Comes back only in a program's process, with the program: nothing of ours is around it."""
    listener = socket.socket(fileno=int(arguments[0]))
    if os.fork():  # whoever started us need not wait for us
        os._exit(0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to those that we serve, who decide
    forked = Server(listener).serve()
    if forked is None:
        os._exit(0)  # taking torch apart takes a second
    return keep_forked(*forked)


if __name__ == "__main__":
    program = main(sys.argv[1:])
    program()
