"""The local PostgreSQL starts again after every way in which an earlier one can have ended."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from deploy.local.child import Child
from deploy.local.errors import StackError
from deploy.local.guard import MARK
from deploy.local.postgres import postgres_child, postgres_url, postgres_wait

ENVIRONMENT = {"LANG": "C.UTF-8", MARK: os.environ[MARK]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One data folder for all tests, where the very first creation had been broken off."""
    folder = tmp_path_factory.mktemp("server") / "postgres"
    aside = folder.with_name("postgres.new")
    aside.mkdir()
    (aside / "PG_VERSION").write_text("18\n")
    yield folder
    for process in psutil.process_iter(["name", "cwd"]):
        if process.info["name"] == "postgres" and process.info["cwd"] == str(folder):
            process.kill()


def started(folder: Path, *, keep_safe: bool = False) -> Child:
    """A server on `folder` that answers."""
    log = folder.with_suffix(".log")
    server = postgres_child(folder, log=log, environment=ENVIRONMENT, keep_safe=keep_safe)
    server.start()
    postgres_wait(server)
    return server


def execute(folder: Path, statement: str) -> list[tuple[int]]:
    with psycopg.connect(postgres_url(folder)) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


def stop(server: Child) -> None:
    server.stop_ask()
    server.stop_wait(10)


def test_a_creation_broken_off_is_begun_anew(folder: Path) -> None:
    stop(started(folder))
    assert not folder.with_name("postgres.new").exists()


def test_data_outlives_a_killed_server_whose_children_still_run(folder: Path) -> None:
    server = started(folder, keep_safe=True)
    execute(folder, "CREATE TABLE kept AS SELECT 7 AS number")
    assert server.process is not None
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait()

    server.start()
    postgres_wait(server)
    assert execute(folder, "SELECT number FROM kept") == [(7,)]
    stop(server)


def test_a_server_left_behind_is_ended_before_another_starts(folder: Path) -> None:
    left = started(folder)
    server = started(folder)
    assert not left.is_running()
    assert execute(folder, "SELECT 1") == [(1,)]
    stop(server)


def test_a_stale_lock_that_names_an_innocent_process_is_passed_over(folder: Path) -> None:
    stop(started(folder))
    lines = [str(os.getpid()), str(folder), "1700000000", "5432", str(folder), "", "0 0", "ready"]
    (folder / "postmaster.pid").write_text("\n".join(lines) + "\n")
    (folder / ".s.PGSQL.5432.lock").write_text("\n".join(lines) + "\n")
    (folder / ".s.PGSQL.5432").touch()

    server = started(folder)
    assert execute(folder, "SELECT 1") == [(1,)]
    stop(server)


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "novel.txt").write_text("Chapter 1")
    with pytest.raises(StackError, match="holds something else"):
        postgres_child(tmp_path, log=tmp_path / "log", environment=ENVIRONMENT)
    assert (tmp_path / "novel.txt").exists()


def test_a_path_too_long_for_a_socket_works(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30) / "postgres"
    folder.parent.mkdir()
    server = started(folder)
    assert execute(folder, "SELECT 1") == [(1,)]
    stop(server)


def test_only_the_owner_of_the_folder_can_connect(folder: Path) -> None:
    server = started(folder)
    assert folder.stat().st_mode & 0o077 == 0
    with psycopg.connect(postgres_url(folder)) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
    stop(server)
