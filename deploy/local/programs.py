"""The stack's own programs: web server, Celery workers, the reconciler of model servers.

In: the environment that all of them get. Out: one child each, in the order in which they start.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

from accord.env import REPOSITORY
from deploy.local.child import Child

QUEUES = {"default": 10, "sampling": 2, "training": 2}
"""Celery's queues and how many tasks of each run at once. Tasks wait for programs and models to do the
work, so threads are enough. On the default queue many people's answers are written at the same time."""


def program_children(*, listener: int, var: Path, environment: Mapping[str, str]) -> list[Child]:
    """Every program of the stack. `listener` is the socket that the web server answers on."""
    python = sys.executable
    commands: dict[str, list[str | Path]] = {
        "web": [python, "-m", "deploy.local.web", str(listener)],
        **{queue: _worker(queue, var) for queue in QUEUES},
        "deployments": [python, "manage.py", "serve_deployments"],
    }
    return [
        Child(
            name=name,
            command=command,
            environment=environment,
            log=var / "log" / f"{name}.log",
            folder=REPOSITORY,
            inherited=(listener,) if name == "web" else (),
        )
        for name, command in commands.items()
    ]


def _worker(queue: str, var: Path) -> list[str | Path]:
    """A Celery worker; the one of the default queue also holds the clock."""
    clock: list[str | Path] = ["--beat", "--schedule", var / "beat"] if queue == "default" else []
    return [
        *(sys.executable, "-m", "celery", "-A", "accord", "worker", "--queues", queue),
        *("--hostname", f"{queue}@%h", "--pool", "threads", "--concurrency", str(QUEUES[queue])),
        *("--loglevel", "INFO", "--without-gossip", "--without-mingle", "--without-heartbeat"),
        *clock,
    ]
