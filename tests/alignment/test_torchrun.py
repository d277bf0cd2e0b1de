"""Programs over several hosts: here each host is a shell of this machine (tests/ops has a real ssh)."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from alignment import running
from alignment.models import Program
from alignment.program_process import is_alive
from tests.alignment.factories import make_program
from tests.alignment.worker_threads import ended, wait_until, work

pytestmark = pytest.mark.django_db(transaction=True)

State = Program.State

WORKER = """
import sys, django
django.setup()
from django.conf import settings
from pathlib import Path
settings.ACCORD_LAUNCHER = "torchrun"
settings.ACCORD_LAUNCHER_OPTIONS = Path(sys.argv[2])
from alignment import running
running.GRACE_SECONDS = 4.0
program = running.program_claim(int(sys.argv[1]), 1)
running.program_run(program)
"""


@pytest.fixture(autouse=True)
def hosts_chosen(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two hosts, which are this machine; Any: pytest-django's."""
    path = tmp_path / "launcher.toml"
    path.write_text('[all]\nhosts = ["127.0.0.1", "localhost"]\nshell = ["/bin/sh", "-c"]\n')
    settings.ACCORD_LAUNCHER, settings.ACCORD_LAUNCHER_OPTIONS = "torchrun", path
    monkeypatch.setattr(running, "GRACE_SECONDS", 4.0)


def started(folder: Path) -> list[psutil.Process]:
    """Both processes."""
    path = folder / "starts.txt"
    wait_until(lambda: path.exists() and len(path.read_text().split()) == 2)
    return [psutil.Process(int(pid)) for pid in path.read_text().split()]


def test_a_program_runs_on_all_hosts_together(tmp_path: Path) -> None:
    program = make_program(tmp_path / "run", "finish", num_processes=2)
    program = ended(work(program), program)
    assert (program.state, program.error) == (State.FINISHED, "")
    assert len((tmp_path / "run" / "starts.txt").read_text().split()) == 2


def test_processes_that_cannot_be_shared_out_are_refused(tmp_path: Path) -> None:
    program = make_program(tmp_path / "run", "finish", num_processes=3)
    program = ended(work(program), program)
    assert program.state == State.FAILED
    assert "3 processes cannot be shared out evenly among 2 machines" in program.error


def test_a_cancelled_program_ends_on_all_hosts(tmp_path: Path) -> None:
    program = make_program(tmp_path / "run", "wait", num_processes=2)
    worker = work(program)
    processes = started(tmp_path / "run")
    Program.objects.filter(pk=program.pk).update(state=State.CANCELLED)
    ended(worker, program)
    assert not any(map(is_alive, processes))


def test_a_killed_worker_takes_the_program_with_it_on_all_hosts(
    tmp_path: Path, settings: Any, process_environment: dict[str, str]
) -> None:
    program = make_program(tmp_path / "run", "wait", num_processes=2)
    command = [sys.executable, "-c", WORKER, str(program.pk), str(settings.ACCORD_LAUNCHER_OPTIONS)]
    worker = subprocess.Popen(command, env=process_environment)
    processes = started(tmp_path / "run")
    worker.kill()
    worker.wait()
    wait_until(lambda: not any(map(is_alive, processes)))


def test_a_host_whose_program_dies_ends_it_on_the_others(tmp_path: Path) -> None:
    program = make_program(tmp_path / "run", "wait", num_processes=2)
    worker = work(program)
    processes = started(tmp_path / "run")
    launcher = processes[0].parent()
    assert launcher is not None
    os.kill(launcher.pid, signal.SIGKILL)
    program = ended(worker, program)
    assert program.state == State.PENDING
    assert not any(map(is_alive, processes))
