"""A second machine for tests: a PostgreSQL of its own and a new var folder."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from accord.env import REPOSITORY
from deploy.local.guard import MARK, SERVER
from deploy.local.postgres import postgres_child, postgres_url, postgres_wait


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A database and a folder, both empty at first."""

    url: str
    var: Path

    @property
    def environment(self) -> dict[str, str]:
        """Of a process there."""
        paths = f"{REPOSITORY / 'platform'}:{REPOSITORY}"
        return {**os.environ, "DATABASE_URL": self.url, "ACCORD_VAR": str(self.var), "PYTHONPATH": paths}

    def run(self, *command: str) -> "subprocess.CompletedProcess[str]":
        """Run `python ...` there."""
        return subprocess.run(
            [sys.executable, *command],
            cwd=REPOSITORY,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def manage(self, *command: str) -> "subprocess.CompletedProcess[str]":
        """Run `manage.py ...` there."""
        return self.run("manage.py", *command)

    def ask(self, statement: str) -> list[tuple[object, ...]]:
        """What the database says."""
        with psycopg.connect(self.url) as connection:
            return connection.execute(statement).fetchall()


class Machines:
    """As many as are asked for, on one server."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._num = 0

    def new(self) -> Machine:
        """Another one."""
        self._num += 1
        name = f"machine_{self._num}"
        with psycopg.connect(postgres_url(self._folder / "postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return Machine(
            url=postgres_url(self._folder / "postgres", name), var=self._folder / f"var-{self._num}"
        )


@contextmanager
def machines_started(folder: Path) -> Iterator[Machines]:
    """A server for them in `folder`."""
    environment = {"LANG": "C.UTF-8", "TZ": "UTC", MARK: SERVER + os.environ[MARK]}
    server = postgres_child(
        folder / "postgres", log=folder / "postgres.log", environment=environment, keep_safe=False
    )
    server.start()
    postgres_wait(server)
    try:
        yield Machines(folder)
    finally:
        server.stop_ask()
        server.stop_wait(10)
