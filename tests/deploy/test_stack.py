"""The local stack, for real: it comes up, it goes without a trace, and it comes back after a crash."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from accord.env import REPOSITORY
from deploy.local.stack import local_stack
from deploy.local.state import StackState, state_read

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

SERVE = [sys.executable, "-m", "deploy.local.serve"]


def own_environment(var: Path) -> dict[str, str]:
    """The environment of someone who has no servers of their own."""
    dropped = {"DATABASE_URL", "REDIS_URL", "SECRET_KEY"}
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    return {**kept, "ACCORD_VAR": str(var), "PYTHONPATH": f"{REPOSITORY / 'platform'}"}


def processes_of(var: Path) -> list[psutil.Process]:
    """Every living process that belongs to the stack in `var`, as its environment or its folder says."""
    found = []
    for process in psutil.process_iter():
        try:
            ours = process.environ().get("ACCORD_VAR") == str(var) or process.cwd().startswith(str(var))
            alive = process.status() != psutil.STATUS_ZOMBIE
        except (psutil.Error, OSError):
            continue
        if ours and alive:
            found.append(process)
    return found


def serve(var: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        SERVE, cwd=REPOSITORY, env=own_environment(var), stdout=subprocess.PIPE, text=True, process_group=0
    )


def wait_ready(process: "subprocess.Popen[str]", var: Path) -> StackState:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        state = state_read(var)
        if state is not None and state.pid == process.pid:
            return state
        assert process.poll() is None, "the stack ended before it was ready"
        time.sleep(0.1)
    raise AssertionError("the stack was not ready in time")


def health(state: StackState) -> object:
    with urllib.request.urlopen(f"{state.web_url}/healthz", timeout=120) as response:
        return json.load(response)["healthy"]


def stop(supervisor: "subprocess.Popen[str]", number: signal.Signals) -> str:
    """Send `number` as a terminal does, to the whole group; what the supervisor had said."""
    os.killpg(supervisor.pid, number)
    said, _ = supervisor.communicate(timeout=120)
    assert supervisor.returncode == 0
    return said


@pytest.fixture(scope="module")
def var(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One data folder for all tests, which build on each other as starts of one installation do."""
    folder = tmp_path_factory.mktemp("stack") / "var"
    yield folder
    left = processes_of(folder)
    for process in left:
        process.kill()
    assert not left


def test_ctrl_c_stops_every_process(var: Path) -> None:
    supervisor = serve(var)
    state = wait_ready(supervisor, var)
    assert health(state)
    programs = {"web", "web-2", "default", "sampling", "training", "deployments"}
    assert set(state.pids) == {"postgres", "valkey", *programs}
    password = (var / "admin_password").read_text().strip()

    another = subprocess.run(
        SERVE, cwd=REPOSITORY, env=own_environment(var), capture_output=True, text=True, check=False
    )
    assert another.returncode == 0
    assert f"already running at {state.web_url}" in another.stdout

    said = stop(supervisor, signal.SIGINT)
    assert password in said
    assert state.web_url in said
    assert processes_of(var) == []
    assert state_read(var) is None


def test_what_dies_is_started_again_and_a_killed_supervisor_leaves_nothing(var: Path) -> None:
    supervisor = serve(var)
    state = wait_ready(supervisor, var)
    psutil.Process(state.pids["default"]).kill()
    deadline = time.monotonic() + 60
    while (again := state_read(var)) is not None and again.pids["default"] == state.pids["default"]:
        assert time.monotonic() < deadline, "the dead worker was not started again"
        time.sleep(0.1)

    supervisor.kill()
    supervisor.communicate()
    supervisor = serve(var)
    state = wait_ready(supervisor, var)
    assert health(state)
    said = stop(supervisor, signal.SIGTERM)
    assert "password" not in said, "the second start of an installation makes no second admin"
    assert processes_of(var) == []


@pytest.mark.django_db(transaction=True)  # the stack makes its admin there, who must not stay
def test_servers_that_the_environment_names_are_used_and_none_started(
    tmp_path: Path, process_environment: dict[str, str], broker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", process_environment["DATABASE_URL"])
    monkeypatch.setenv("PYTHONPATH", f"{REPOSITORY / 'platform'}")
    with local_stack(tmp_path) as stack:
        assert health(stack)
        assert (stack.database_url, stack.redis_url) == (process_environment["DATABASE_URL"], broker)
        assert not {"postgres", "valkey"} & set(stack.pids)
    assert processes_of(tmp_path) == []
