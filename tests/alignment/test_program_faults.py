"""What happens to programs when things around them break: for real, with processes that are killed and
servers that are stopped.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
from celery import current_app
from django.db import connections
from django.db.backends.postgresql.base import DatabaseWrapper
from django.utils import timezone

from accord.env import REPOSITORY
from alignment import running
from alignment.dead_workers import dead_workers_leases_end
from alignment.messages import PROGRAM_RUN
from alignment.models import Program
from alignment.program_process import is_alive
from deploy.local.broker import broker_child, broker_url, broker_wait, free_port
from deploy.local.child import Child
from deploy.local.postgres import postgres_wait
from tests.alignment.factories import make_program
from tests.alignment.worker_threads import started, wait_until, work
from tests.conftest import SERVER_ENVIRONMENT

pytestmark = pytest.mark.django_db(transaction=True)

WORKER = """
import sys, django
django.setup()
from alignment import running
running.GRACE_SECONDS = 1.0
program = running.program_claim(int(sys.argv[1]), 1)
running.program_run(program)
"""
SECONDS = 60.0


def test_a_killed_worker_leaves_no_process_behind(
    tmp_path: Path, process_environment: dict[str, str]
) -> None:
    program = make_program(tmp_path, "breed")
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(program.pk)],
        cwd=REPOSITORY,
        env={**process_environment, "PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'platform'}"},
    )
    ours = started(tmp_path, 2)
    program.refresh_from_db()
    assert program.pid is not None
    kept = psutil.Process(program.pid)
    worker.kill()
    worker.wait()
    wait_until(lambda: not any(map(is_alive, [kept, *ours])), seconds=10)


def test_what_a_killed_worker_held_is_given_back_at_once_by_the_next_one_on_its_machine(
    tmp_path: Path, process_environment: dict[str, str]
) -> None:
    program, going = make_program(tmp_path / "lost", "breed"), make_program(tmp_path / "going", "wait")
    lives = work(going)
    lost = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(program.pk)],
        cwd=REPOSITORY,
        env={**process_environment, "PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'platform'}"},
    )
    ours, theirs = started(tmp_path / "lost", 2), started(tmp_path / "going")
    assert dead_workers_leases_end() == 0
    lost.kill()  # nobody has waited for it yet: a zombie holds nothing
    wait_until(lambda: psutil.Process(lost.pid).status() == psutil.STATUS_ZOMBIE)
    elsewhere = make_program(tmp_path / "elsewhere", "wait", state=Program.State.RUNNING)
    ends = timezone.now() + timedelta(minutes=1)
    Program.objects.filter(pk=elsewhere.pk).update(worker="another||x|1|1", lease_expires_at=ends)
    assert dead_workers_leases_end() == 1
    assert not any(map(is_alive, ours))
    assert all(map(is_alive, theirs))
    now = timezone.now()
    over = Program.objects.filter(lease_expires_at__lte=now).values_list("pk", flat=True)
    assert list(over) == [program.pk]
    lost.wait()
    (tmp_path / "going" / "go").touch()
    lives.join(SECONDS)
    assert Program.objects.get(pk=going.pk).state == Program.State.FINISHED


def test_a_killed_keeper_leaves_no_process_behind_and_the_program_is_tried_again(tmp_path: Path) -> None:
    program = make_program(tmp_path, "breed")
    worker = work(program)
    ours = started(tmp_path, 2)
    wait_until(lambda: Program.objects.get(pk=program.pk).pid)
    program.refresh_from_db()
    assert program.pid is not None
    os.kill(program.pid, signal.SIGKILL)
    worker.join(SECONDS)
    assert not any(map(is_alive, ours))
    program.refresh_from_db()
    assert (program.state, program.num_retries) == (Program.State.PENDING, 1)
    assert "SIGKILL" in program.error


def test_a_stuck_program_is_stopped_and_tried_again(tmp_path: Path) -> None:
    program = make_program(tmp_path, "hang")
    Program.objects.filter(pk=program.pk).update(stall_seconds=1)
    worker = work(program)
    ours = started(tmp_path)
    worker.join(SECONDS)
    assert not any(map(is_alive, ours))
    program.refresh_from_db()
    assert (program.state, program.num_retries) == (Program.State.PENDING, 1)
    assert program.error.startswith("The program showed no progress for ")
    assert "raise stall_seconds in the recipe" in program.error
    assert program.progressed_at is not None


@pytest.fixture
def server(database_server: Child | None) -> Iterator[Child]:
    """PostgreSQL, to be stopped; it runs again afterwards."""
    if database_server is None:
        pytest.skip("the database is not ours to stop")
    yield database_server
    start(database_server)


def stop(server: Child) -> None:
    server.stop_ask()
    server.stop_wait(10)


def start(server: Child) -> None:
    if not server.is_running():
        server.start()
    postgres_wait(server)
    # Connections of before are dead, also those that the pool has put by.
    connections.close_all()
    wrapper = connections["default"]
    assert isinstance(wrapper, DatabaseWrapper)
    wrapper.close_pool()


def test_without_the_database_a_program_is_stopped_before_its_lease_ends(
    tmp_path: Path, server: Child, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "SILENCE_SECONDS", 2.0)
    program = make_program(tmp_path, "hang")
    worker = work(program)
    ours = started(tmp_path)
    stop(server)
    wait_until(lambda: not any(map(is_alive, ours)), seconds=10)
    start(server)
    worker.join(SECONDS)
    program.refresh_from_db()
    assert (program.state, program.num_retries) == (Program.State.PENDING, 1)
    assert program.error.startswith("The worker could not reach the database for ")


def test_a_worker_outlives_restarts_of_database_and_broker(
    tmp_path: Path, server: Child, process_environment: dict[str, str]
) -> None:
    port, password = free_port(), "secret"
    url = broker_url(port, password)
    broker = broker_child(
        tmp_path / "valkey",
        port=port,
        password=password,
        log=tmp_path / "valkey.log",
        environment=SERVER_ENVIRONMENT,
    )
    broker.start()
    broker_wait(broker, url)
    first, second = (make_program(tmp_path / name, "wait") for name in ("first", "second"))
    with (tmp_path / "worker.log").open("w") as log:
        worker = subprocess.Popen(
            [
                *(sys.executable, "-m", "celery", "-A", "accord", "worker", "--queues", "training"),
                *("--pool", "threads", "--concurrency", "2"),
                *("--without-gossip", "--without-mingle", "--without-heartbeat"),
            ],
            cwd=REPOSITORY,
            env={
                **process_environment,
                "REDIS_URL": url,
                "PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'platform'}",
            },
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        send(url, first)
        (ours,) = started(tmp_path / "first")
        broker.stop_ask()
        stop(server)
        broker.stop_wait(10)
        time.sleep(1.5)  # a renewal or two fail
        start(server)
        broker.start()
        broker_wait(broker, url)
        send(url, second)
        started(tmp_path / "second")
        assert is_alive(ours)
        for name in ("first", "second"):
            (tmp_path / name / "go").touch()
        finished = Program.objects.filter(state=Program.State.FINISHED)
        wait_until(lambda: finished.count() == 2)
        assert worker.poll() is None
        assert (tmp_path / "first" / "starts.txt").read_text().split() == [str(ours.pid)]
    finally:
        worker.kill()
        worker.wait()
        broker.stop_ask()
        broker.stop_wait(10)


def send(url: str, program: Program) -> None:
    with current_app.connection_for_write(url) as messages:
        current_app.send_task(PROGRAM_RUN, args=[program.pk, 1], queue="training", connection=messages)
