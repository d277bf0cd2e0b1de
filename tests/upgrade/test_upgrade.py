"""The database of the previous release, full, comes to this one while that release's processes write on."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest

from tests.upgrade.filling import fill_site
from tests.upgrade.releases import STATEMENTS
from tests.upkeep.machines import Machine, machines_started

NUM = 20_000
LONGEST = "2s"
"""Whoever waits longer for a lock is refused by the database: writers here, and migrations."""


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with machines_started(tmp_path_factory.mktemp("upgrade")) as started:
        yield started.new()


class Writer(threading.Thread):
    """One statement again and again, as the previous release sends it."""

    def __init__(self, machine: Machine, name: str, statement: str) -> None:
        super().__init__(name=name)
        self._url, self._statement = machine.url, statement
        self.stop = threading.Event()
        self.num = 0
        self.longest = 0.0
        self.error: psycopg.Error | None = None

    def run(self) -> None:
        """Until told to stop, or refused."""
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(f"SET lock_timeout = '{LONGEST}'")
            while not self.stop.is_set():
                began = time.monotonic()
                try:
                    connection.execute(self._statement)
                except psycopg.Error as error:
                    self.error = error
                    return
                self.longest = max(self.longest, time.monotonic() - began)
                self.num += 1
                time.sleep(0.001)


@contextmanager
def writing(machine: Machine) -> Iterator[list[Writer]]:
    """All of them at once."""
    writers = [Writer(machine, name, statement) for name, statement in STATEMENTS.items()]
    for writer in writers:
        writer.start()
    try:
        yield writers
    finally:
        for writer in writers:
            writer.stop.set()
        for writer in writers:
            writer.join()


def wait_until(done: Callable[[], bool]) -> None:
    """At most half a minute."""
    give_up = time.monotonic() + 30
    while not done():
        assert time.monotonic() < give_up
        time.sleep(0.01)


def test_writers_go_on_while_a_full_database_is_migrated(
    machine: Machine, record_property: Callable[[str, object], None]
) -> None:
    old = machine.run("-m", "tests.upgrade.at_release")
    assert old.returncode == 0, old.stderr
    with psycopg.connect(machine.url) as connection:
        fill_site(connection, NUM)
    limited = Machine(url=f"{machine.url}&options=-clock_timeout%3D{LONGEST}", var=machine.var)
    with writing(machine) as writers:
        wait_until(lambda: all(writer.num > 5 or writer.error for writer in writers))
        migrated = limited.manage("migrate", "--no-input")
        after = {writer.name: writer.num for writer in writers}
        wait_until(lambda: all(writer.num > after[writer.name] + 5 or writer.error for writer in writers))
    assert migrated.returncode == 0, migrated.stderr
    assert not {writer.name: str(writer.error) for writer in writers if writer.error}
    for writer in writers:
        record_property(f"longest {writer.name}, ms", round(1000 * writer.longest, 1))
    assert machine.manage("migrate", "--check").returncode == 0
    judged = machine.ask("SELECT count(*) FROM annotation_judgement")[0][0]
    assert judged == NUM // 2 + next(writer.num for writer in writers if writer.name == "judge")
    verified = machine.manage("audit", "verify")
    assert verified.returncode == 0, verified.stderr
    entries = machine.ask("SELECT count(*) FROM accounts_auditentry")[0][0]
    assert verified.stdout.startswith(f"{entries} entries, whole")
