"""The supervisor of the local stack: starts every part in order, watches them, stops them in order.

In: the `var` folder and its lock. Out: a running stack that `var/stack.json` describes. A part that
dies is started again; one that keeps dying ends the stack. The guard sees to it that nothing is left
when the supervisor itself is killed.
"""

import http.client
import os
import secrets
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from accord.env import REPOSITORY, process_environment, server_urls
from deploy.local.broker import broker_child, broker_url, broker_wait, free_port
from deploy.local.child import Child
from deploy.local.errors import StackError
from deploy.local.guard import MARK, SERVER, Guard, new_mark, start_guard, sweep, sweep_folder
from deploy.local.postgres import postgres_child, postgres_url, postgres_wait
from deploy.local.programs import program_children, web_children
from deploy.local.state import StackState, state_path, state_write

ADDRESS = "127.0.0.1"
FAVOURITE_PORT = 8000
SECONDS_BETWEEN_LOOKS = 0.2
SECONDS_FOR_WEB = 180.0
SECONDS_TO_FINISH = 5.0
"""How long programs may go on after they were asked to stop."""

MOST_RESTARTS = 5
RESTART_SECONDS = 60.0
"""More deaths of one part within so many seconds end the stack, unless it is told another number."""

LONGEST_PAUSE = 8.0
"""Before a part that keeps dying is started again, in seconds."""


class Supervisor:
    """One run of the local stack."""

    def __init__(
        self, var: Path, *, lock: int, say: Callable[[str], None], most_restarts: int = MOST_RESTARTS
    ) -> None:
        self.var = var
        self._lock = lock
        self._say = say
        self._most_restarts = most_restarts
        self._mark = new_mark(var)
        self._guard: Guard | None = None
        self._servers: list[Child] = []
        self._programs: list[Child] = []
        self._deaths: dict[str, deque[float]] = {}
        self._due: dict[str, float] = {}
        self._listener: socket.socket | None = None
        self._began = time.monotonic()
        self._urls = {"database": "", "redis": "", "web": ""}

    def start(self) -> None:
        """Start everything; returns when the site answers. Raises StackError."""
        num_left = sweep_folder(self.var)
        if num_left:
            self._say(f"Ended {num_left} processes that an earlier run had left behind.")
        self._guard = start_guard(self._mark, remove=[state_path(self.var)], inherited=[self._lock])
        self._servers_start()
        environment = self._program_environment()
        self._listener = _listen()
        self._urls["web"] = f"http://{ADDRESS}:{self._listener.getsockname()[1]}"
        web = web_children(listener=self._listener.fileno(), var=self.var, environment=environment)
        others = program_children(var=self.var, environment=environment)
        self._programs = [*web, *others]
        for child in web:
            child.start()  # loads its code while the database is brought up to date
        password = self._prepare(environment)
        for child in others:
            child.start()
        self._web_wait(web[0])
        self._state_write()
        self._say(f"Accord is ready at {self._urls['web']} ({time.monotonic() - self._began:.1f} s).")
        if password:
            self._say(f"Log in as admin with the password {password} (kept in {self.var}/admin_password).")

    def watch(self) -> None:
        """Start again what dies, for ever. Raises StackError when a part keeps dying."""
        while True:
            for child in [*self._servers, *self._programs]:
                if not child.is_running():
                    self._restart_when_due(child)
            time.sleep(SECONDS_BETWEEN_LOOKS)

    def stop(self) -> None:
        """Stop programs, then what they started, then the servers; nothing is left."""
        for child in self._programs:
            child.stop_ask()
        deadline = time.monotonic() + SECONDS_TO_FINISH
        for child in self._programs:
            child.stop_wait(max(0.0, deadline - time.monotonic()))
        if self._listener is not None:
            self._listener.close()
        sweep(self._mark.__eq__)
        for server in self._servers:
            server.stop_ask()
        for server in self._servers:
            server.stop_wait(SECONDS_TO_FINISH)
        if self._guard is not None:
            self._guard.close()
        state_path(self.var).unlink(missing_ok=True)

    def _servers_start(self) -> None:
        """PostgreSQL and the broker, unless the environment names others."""
        database_url, redis_url = server_urls()
        environment = {"LANG": "C.UTF-8", "TZ": "UTC", MARK: SERVER + self._mark}
        logs = self.var / "log"
        waits: list[Callable[[], None]] = []
        if redis_url is None:
            port, password = free_port(), secrets.token_urlsafe(24)
            redis_url = broker_url(port, password)
            broker = broker_child(
                self.var / "valkey",
                port=port,
                password=password,
                log=logs / "valkey.log",
                environment=environment,
            )
            broker.start()
            self._servers.append(broker)
            waits.append(lambda: broker_wait(broker, broker_url(port, password)))
        if database_url is None:
            folder = self.var / "postgres"
            database_url = postgres_url(folder)
            postgres = postgres_child(folder, log=logs / "postgres.log", environment=environment)
            postgres.start()
            self._servers.append(postgres)
            waits.append(lambda: postgres_wait(postgres))
        for wait in waits:
            wait()
        self._urls |= {"database": database_url, "redis": redis_url}

    def _program_environment(self) -> dict[str, str]:
        return process_environment(
            {
                "DATABASE_URL": self._urls["database"],
                "REDIS_URL": self._urls["redis"],
                "SECRET_KEY": _secret_key(self.var),
                "ACCORD_VAR": str(self.var),
                "PYTHONUNBUFFERED": "1",
                "SPT_NOENV": "1",  # setproctitle must not write over the mark
                MARK: self._mark,
            }
        )

    def _prepare(self, environment: dict[str, str]) -> str:
        """Migrate the database and make the first admin; the admin's password if it is new."""
        prepared = subprocess.run(
            [sys.executable, "-m", "deploy.local.prepare"],
            env=environment,
            cwd=REPOSITORY,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            start_new_session=True,
            check=False,
        )
        if prepared.returncode != 0:
            raise StackError(f"The database could not be brought up to date:\n{prepared.stderr.strip()}")
        return prepared.stdout.strip()

    def _web_wait(self, web: Child) -> None:
        deadline = time.monotonic() + SECONDS_FOR_WEB
        while not _answers(self._urls["web"]):
            if not web.is_running() or time.monotonic() > deadline:
                raise StackError(f"The web server did not start. {web.log} ends:\n{web.log_tail()}")
            time.sleep(0.05)

    def _restart_when_due(self, child: Child) -> None:
        """At once after a first death, after a growing pause where a part keeps dying: others go on."""
        now = time.monotonic()
        if child.name not in self._due:
            self._due[child.name] = now + self._pause_after_death(child, now)
        if now < self._due[child.name]:
            return
        del self._due[child.name]
        self._say(f"{child.name} died (see {child.log}); it is started again.")
        child.start()
        self._state_write()

    def _pause_after_death(self, child: Child, now: float) -> float:
        deaths = self._deaths.setdefault(child.name, deque())
        deaths.append(now)
        while now - deaths[0] > RESTART_SECONDS:
            deaths.popleft()
        if len(deaths) > self._most_restarts:
            raise StackError(f"{child.name} keeps dying. {child.log} ends:\n{child.log_tail()}")
        return 0.0 if len(deaths) == 1 else min(LONGEST_PAUSE, 2.0 ** (len(deaths) - 2))

    def _state_write(self) -> None:
        children = [*self._servers, *self._programs]
        state = StackState(
            var=self.var,
            pid=os.getpid(),
            started=psutil.Process().create_time(),
            web_url=self._urls["web"],
            database_url=self._urls["database"],
            redis_url=self._urls["redis"],
            pids={child.name: child.pid for child in children if child.pid is not None},
        )
        state_write(self.var, state)


def _secret_key(var: Path) -> str:
    """The key that signs sessions: made once, kept for its owner alone."""
    path = var / "secret_key"
    if not path.exists():
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            out.write(f"{secrets.token_urlsafe(50)}\n")
    return path.read_text().strip()


def _listen() -> socket.socket:
    """Listen on the port that people remember, or on any free one."""
    for port in (FAVOURITE_PORT, 0):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((ADDRESS, port))
        except OSError:
            listener.close()
            continue
        listener.listen(2048)
        return listener
    raise StackError("No port of this machine is free for the web server.")


def _answers(url: str) -> bool:
    """Whether the site says that it is well."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
