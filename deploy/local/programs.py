"""The stack's own programs: web server, Celery workers, the reconciler of model servers.

In: the environment that all of them get. Out: one child each, in the order in which they start.
"""

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from accord.env import REPOSITORY
from deploy.local.child import Child

QUEUES = {"default": 10, "sampling": 2, "training": 2}
"""Celery's queues and how many tasks of each run at once. Tasks wait for programs and models to do the
work, so threads are enough. On the default queue many people's answers are written at the same time."""

FEW_ARENAS = {"MALLOC_ARENA_MAX": "2"}
"""Each thread of a worker would keep what its heaviest task once took in an arena of its own."""

NUM_WEB = 2
"""Processes of the web server: Python works on one request at a time in each."""


def program_children(*, var: Path, environment: Mapping[str, str]) -> list[Child]:
    """Every program of the stack besides the web server."""
    environment = {**environment, **FEW_ARENAS}
    commands: dict[str, list[str | Path]] = {
        **{queue: _worker(queue, var) for queue in QUEUES},
        "deployments": [sys.executable, "manage.py", "serve_deployments"],
    }
    return [_child(name, command, var, environment) for name, command in commands.items()]


def web_children(*, listener: int, var: Path, environment: Mapping[str, str]) -> list[Child]:
    """The web server's processes, which all answer on the socket `listener` and count requests together."""
    counts = var / "metrics"
    shutil.rmtree(counts, ignore_errors=True)
    counts.mkdir(parents=True)
    environment = {**environment, "PROMETHEUS_MULTIPROC_DIR": str(counts)}
    command: list[str | Path] = [sys.executable, "-m", "deploy.local.web", str(listener)]
    names = ["web", *(f"web-{number}" for number in range(2, NUM_WEB + 1))]
    return [_child(name, command, var, environment, inherited=(listener,)) for name in names]


def _child(
    name: str,
    command: list[str | Path],
    var: Path,
    environment: Mapping[str, str],
    inherited: tuple[int, ...] = (),
) -> Child:
    return Child(
        name=name,
        command=command,
        environment=environment,
        log=var / "log" / f"{name}.log",
        folder=REPOSITORY,
        inherited=inherited,
    )


def _worker(queue: str, var: Path) -> list[str | Path]:
    """A Celery worker; the one of the default queue also holds the clock."""
    clock: list[str | Path] = ["--beat", "--schedule", var / "beat"] if queue == "default" else []
    return [
        *(sys.executable, "-m", "celery", "-A", "accord", "worker", "--queues", queue),
        *("--hostname", f"{queue}@%h", "--pool", "threads", "--concurrency", str(QUEUES[queue])),
        *("--loglevel", "INFO", "--without-gossip", "--without-mingle", "--without-heartbeat"),
        *clock,
    ]
