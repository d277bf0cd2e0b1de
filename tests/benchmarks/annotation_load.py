"""Handing out and judging under load: `python -m tests.benchmarks.annotation_load --json FILE`.

Starts PostgreSQL and Valkey as the local stack does, in a temporary folder, and runs
`tests.benchmarks.annotation_load_cases` on them. Everything shares the machine's cores: server, database,
clients. `--help` names what makes it smaller; `--peer label-studio` does the same work there as well.
"""

import argparse
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from accord.env import REPOSITORY
from deploy.local.broker import broker_child, broker_url, broker_wait, free_port
from deploy.local.child import Child
from deploy.local.guard import MARK, SERVER, new_mark, start_guard
from deploy.local.postgres import postgres_child, postgres_url, postgres_wait

CASES = """
import sys, django
django.setup()
from tests.benchmarks.annotation_load_cases import main
sys.exit(main())
"""
"""A process of its own: Django reads its settings, which name the servers, before anything else."""


def main() -> int:
    """Run on servers of its own; returns the exit status."""
    if {"--help", "-h"} & set(sys.argv[1:]):
        sys.stdout.write(argument_parser().format_help())
        return 0
    parser = argument_parser()
    chosen = parser.parse_args()
    if chosen.peer is not None and chosen.peer_python is None:
        parser.error(
            "--peer wants --peer-python: the Python of an environment with `pip install label-studio`."
        )
    with tempfile.TemporaryDirectory(prefix="accord-load-") as folder, servers(Path(folder)) as environment:
        prepare = [sys.executable, "-m", "deploy.local.prepare"]
        subprocess.run(prepare, env=environment, cwd=REPOSITORY, check=True, stdout=subprocess.DEVNULL)
        cases = [sys.executable, "-c", CASES, *sys.argv[1:]]
        return subprocess.run(cases, env=environment, cwd=REPOSITORY, check=False).returncode


def argument_parser() -> argparse.ArgumentParser:
    """What can be asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.annotation_load")
    parser.add_argument("--json", type=Path, required=True, help="the report")
    parser.add_argument("--seconds", type=float, default=15.0, help="of each case clients_N")
    parser.add_argument("--comparisons", type=int, default=100_000, help="in the project of clients_N")
    parser.add_argument("--cycles", type=int, default=10_000, help="of cycles_10000")
    parser.add_argument("--people", type=int, default=64, help="of cycles_10000")
    parser.add_argument("--kills", type=int, default=5, help="of the web processes in cycles_10000")
    parser.add_argument("--only", nargs="+", default=None, help="cases to run, by name")
    parser.add_argument("--peer", choices=["label-studio"], default=None)
    parser.add_argument("--peer-python", type=Path, default=None, help="of the peer's own environment")
    return parser


@contextmanager
def servers(folder: Path) -> Iterator[dict[str, str]]:
    """PostgreSQL, which waits for the disk as in earnest, and Valkey; the environment that names them."""
    mark, password, port = new_mark(folder), secrets.token_urlsafe(16), free_port()
    guard = start_guard(mark, remove=[])
    server_environment = {"LANG": "C.UTF-8", "TZ": "UTC", MARK: SERVER + mark}
    postgres = postgres_child(
        folder / "postgres", log=folder / "log" / "postgres.log", environment=server_environment
    )
    broker = broker_child(
        folder / "valkey",
        port=port,
        password=password,
        log=folder / "log" / "valkey.log",
        environment=server_environment,
    )
    started: list[Child] = [postgres, broker]
    for server in started:
        server.start()
    try:
        postgres_wait(postgres)
        broker_wait(broker, broker_url(port, password))
        yield {
            **os.environ,
            "DATABASE_URL": postgres_url(folder / "postgres"),
            "REDIS_URL": broker_url(port, password),
            "SECRET_KEY": secrets.token_urlsafe(50),
            "ACCORD_VAR": str(folder),
            "DJANGO_SETTINGS_MODULE": "accord.settings",
            MARK: mark,
        }
    finally:
        for server in started:
            server.stop_ask()
        for server in started:
            server.stop_wait(10)
        guard.close()


if __name__ == "__main__":
    sys.exit(main())
