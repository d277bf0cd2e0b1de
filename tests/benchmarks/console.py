"""How long the console's pages take with much history: `python -m tests.benchmarks.console --json FILE`.

A project of 50,000 comparisons, 20 finished rounds of 10 stages each, and a running one whose programs have
written 200,000 rows of metrics each. Each page is asked for as an admin and through all middleware; the time
is that of the server's own work. Starts PostgreSQL and Valkey as the local stack does, in a temporary folder.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from accord.env import REPOSITORY
from tests.benchmarks.annotation_load import servers

CASES = """
import sys, django
django.setup()
from tests.benchmarks.console_cases import main
sys.exit(main())
"""
"""A process of its own: Django reads its settings, which name the servers, before anything else."""


def argument_parser() -> argparse.ArgumentParser:
    """What can be asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.console")
    parser.add_argument("--json", type=Path, required=True, help="the report")
    parser.add_argument("--comparisons", type=int, default=50_000, help="in the project")
    parser.add_argument("--rounds", type=int, default=20, help="finished before the running one")
    parser.add_argument("--metrics", type=int, default=200_000, help="rows told by each running program")
    return parser


def main() -> int:
    """Run on servers of its own; returns the exit status."""
    argument_parser().parse_args()
    with tempfile.TemporaryDirectory(prefix="accord-load-") as folder, servers(Path(folder)) as environment:
        prepare = [sys.executable, "-m", "deploy.local.prepare"]
        subprocess.run(prepare, env=environment, cwd=REPOSITORY, check=True, stdout=subprocess.DEVNULL)
        cases = [sys.executable, "-c", CASES, *sys.argv[1:]]
        return subprocess.run(cases, env=environment, cwd=REPOSITORY, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
