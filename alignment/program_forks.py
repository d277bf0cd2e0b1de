"""Has programs forked by a server that has imported what they import (`pretrain.fork_server`).

A program's own computation is often shorter than the imports before it. The first program that asks starts
the server, and it lives as long as someone who may ask again. It serves programs that would find exactly what
it was itself started with: environment, limits, cores, control group. Where none can serve, because there is
a GPU (CUDA does not outlive a fork), the module starts threads, or the answer takes too long, the caller gets
None and starts the program anew.
"""

import hashlib
import json
import os
import resource
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from pretrain.fork_server import THREADED, Asking, is_own
from pretrain.process_words import has_room, room_argument

TORCH = "torch"
VLLM = "vllm"
FAMILIES = {
    **dict.fromkeys(
        ("alignment.training." + name for name in ("average", "dpo", "reward", "sft")),
        TORCH,
    ),
    "pretrain.train": TORCH,
    **dict.fromkeys(
        ("alignment.sampling." + name for name in ("evaluation", "predicting", "rejection", "speed_trial")),
        VLLM,
    ),
}
"""The programs that import much, by what they import. vLLM changes how torch behaves, so that its programs
have a server of their own."""
DEVICES = ("/dev/nvidiactl", "/dev/kfd", "/dev/dri")
"""Where there is one of these there is a GPU."""
STATUS = ("Umask", "Uid", "Gid", "Groups", "CapEff", "NoNewPrivs", "Seccomp", "Cpus_allowed", "Mems_allowed")
"""What a process hands on to those that it starts, by the lines of /proc/self/status."""
NO_STATUS = -signal.SIGKILL
"""Of a keeper that ended without a word."""

ATTEMPTS = 3
"""How often a server is asked: the first may be of an older state of the code, or just end."""
SERVER = "pretrain.fork_server"

_holding = threading.Lock()
_held: dict[str, int] = {}
"""The servers that this process holds, by address: they live while these file descriptors, of connections,
are open."""
_refusing: set[str] = set()
"""Addresses at which asking again is in vain."""


class ForkedKeeper:
    """The keeper of a forked program: a process that is not our child."""

    def __init__(self, pid: int, connection: socket.socket) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._connection = connection
        self._handle = os.pidfd_open(pid)

    def poll(self) -> int | None:
        """The program's exit status, negative for a signal, or None while the keeper runs."""
        return self._look(0.0)

    def wait(self, timeout: float | None = None) -> int:
        """The status, once there is one. Raises subprocess.TimeoutExpired after `timeout` seconds."""
        status = self._look(timeout)
        if status is None:
            raise subprocess.TimeoutExpired(f"the keeper {self.pid}", timeout or 0.0)
        return status

    def terminate(self) -> None:
        """Ask it to stop the program."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kill it."""
        self._signal(signal.SIGKILL)

    def hear(self) -> None:
        """Tell it that the program may go on."""
        with suppress(OSError):  # it has ended
            self._connection.send(b".")

    def close(self) -> None:
        """Be done with it."""
        self._connection.close()

    def _signal(self, number: signal.Signals) -> None:
        if self.returncode is None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._handle, number)

    def _look(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._handle], [], [], timeout)[0]:
            told = answer(self._connection, 0.0) or {}
            self.returncode = int(told.get("status", NO_STATUS))
            os.close(self._handle)
        return self.returncode


def keeper_fork(
    command: Sequence[str],
    *,
    keeper_command: Sequence[str],
    log: int,
    folder: Path,
    environment: Mapping[str, str],
    mark: tuple[str, str],
    grace: float,
    silence: float | None,
    patience: float,
) -> ForkedKeeper | None:
    """Have `command` forked under a keeper that was forked as well; None where it must be started anew.

    `log` is a file descriptor, `mark` a variable of the program's environment with its value. The answer may
    take `patience` seconds.
    """
    family = family_of(command)
    if family is None or not has_room(keeper_command):
        return None
    deadline = time.monotonic() + patience
    address = f"\0accord-programs-{family}-{surroundings(environment, folder)}"
    asking = Asking(
        module=command[2],
        arguments=list(command[3:]),
        command=list(command),
        keeper=list(keeper_command),
        mark=mark,
        grace=grace,
        silence=silence,
    )
    for _ in range(ATTEMPTS):
        connection = None
        if address not in _refusing:
            connection = _connect(address, {**environment, mark[0]: "0" * len(mark[1])}, folder)
        if connection is None:
            return None
        with suppress(OSError):  # it ended meanwhile
            socket.send_fds(connection, [json.dumps(asdict(asking)).encode()], [log])
        told = answer(connection, deadline - time.monotonic())
        if told is not None and "pid" in told:
            started = ForkedKeeper(int(told["pid"]), connection)
            started.hear()
            return started
        connection.close()
        if told is None:
            return None
        if told.get("refused") == THREADED:
            _refusing.add(address)
    return None


def _connect(address: str, environment: Mapping[str, str], folder: Path) -> socket.socket | None:
    """A connection to the server, which is started where there is none; None where it is another user's."""
    with _holding:
        for _ in range(ATTEMPTS):
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            try:
                connection.connect(address)
            except OSError:  # no server, or one that is ending
                connection.close()
                _server_start(address, environment, folder)
                continue
            if not is_own(connection):
                connection.close()
                return None
            held = _held.get(address)
            if held is not None and not select.select([held], [], [], 0.0)[0]:
                return connection
            # The server is held by a connection that lasts, and asked over another.
            if held is not None:  # it was another server's
                os.close(held)
            _held[address] = connection.detach()
    return None


def _server_start(address: str, environment: Mapping[str, str], folder: Path) -> None:
    """Start a server, unless another process is just doing so."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        try:
            listener.bind(address)
        except OSError:  # who binds the address first starts the server
            return
        listener.listen()
        subprocess.run(
            [sys.executable, room_argument(), "-m", SERVER, str(listener.fileno())],
            pass_fds=[listener.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            env=environment,
            start_new_session=True,
            check=False,
        )


def servers_let_go() -> None:
    """Hold no server any more: one that nobody else holds ends."""
    with _holding:
        for held in _held.values():
            os.close(held)
        _held.clear()
        _refusing.clear()


def family_of(command: Sequence[str]) -> str | None:
    """Which server forks `command`; None for what must be started anew."""
    if sys.platform != "linux" or list(command[:2]) != [sys.executable, "-m"]:
        return None
    return None if any(map(os.path.exists, DEVICES)) else FAMILIES.get(command[2])


def surroundings(environment: Mapping[str, str], folder: Path) -> str:
    """A hash of all that a process which starts in `folder` with `environment` has from this one."""
    status = Path("/proc/self/status").read_text().splitlines()
    has = [
        [sys.executable, str(folder)],
        sorted(environment.items()),
        [line for line in status if line.partition(":")[0] in STATUS],
        [os.getpriority(os.PRIO_PROCESS, 0), Path("/proc/self/oom_score_adj").read_text()],
        [resource.getrlimit(getattr(resource, name)) for name in dir(resource) if name.startswith("RLIMIT_")],
        Path("/proc/self/cgroup").read_text(),
        sorted(f"{path.name} {path.readlink()}" for path in Path("/proc/self/ns").iterdir()),
    ]
    return hashlib.sha256(json.dumps(has).encode()).hexdigest()[:32]


def answer(connection: socket.socket, timeout: float) -> dict[str, int | str] | None:
    """What the other side tells within `timeout` seconds: None where it is silent, {} where it has gone."""
    if not select.select([connection], [], [], max(timeout, 0.0))[0]:
        return None
    try:
        told = connection.recv(4096)
    except ConnectionError:
        return {}
    return dict(json.loads(told)) if told else {}
