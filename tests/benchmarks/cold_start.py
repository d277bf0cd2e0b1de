"""Cold start: `python -m tests.benchmarks.cold_start --json FILE`.

Seconds from typing `make serve` to a page that answers, once with an empty folder (the database is made and
every migration runs) and then over the same data. As root also with the operating system's cache of files
dropped before, as after switching the machine on.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

from accord.env import REPOSITORY, process_environment
from deploy.local.state import state_read
from tests.benchmarks.chaos import commit, device, say

MOST_SECONDS = 300.0
SECONDS_BETWEEN_LOOKS = 0.05
CACHES = Path("/proc/sys/vm/drop_caches")


def main() -> int:
    """Start and stop as often as asked; write the report."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.cold_start", description=__doc__)
    parser.add_argument("--times", type=int, default=3, help="starts of each kind")
    parser.add_argument("--json", type=Path, required=True, help="the report")
    arguments = parser.parse_args()
    seconds: dict[str, list[float]] = {"first_use": [], "again": []}
    if can_drop_caches():
        seconds |= {"first_use_files_not_cached": [], "again_files_not_cached": []}
    for number in range(arguments.times):
        for suffix in [kind.removeprefix("again") for kind in seconds if kind.startswith("again")]:
            with tempfile.TemporaryDirectory(prefix="accord-start-") as folder:
                for kind in ("first_use", "again"):
                    seconds[kind + suffix].append(start(Path(folder) / "var", cached=not suffix))
                    say(f"{number + 1}: {kind + suffix} {seconds[kind + suffix][-1]} s")
    report = {"device": device(), "commit": commit(), "seconds": seconds}
    arguments.json.write_text(json.dumps(report, indent=2) + "\n")
    sys.stdout.write(json.dumps(report, indent=2) + "\n")
    return 0


def can_drop_caches() -> bool:
    """Whether the operating system lets us."""
    return CACHES.exists() and os.access(CACHES, os.W_OK) and os.geteuid() == 0


def start(var: Path, *, cached: bool) -> float:
    """Seconds until the login page answers; everything has stopped when this returns."""
    if not cached:
        os.sync()
        CACHES.write_text("3")
    environment = process_environment({**os.environ, "ACCORD_VAR": str(var)})
    began = time.monotonic()
    process = subprocess.Popen(
        ["make", "serve"],
        cwd=REPOSITORY,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        while not answers(var):
            if process.poll() is not None or time.monotonic() - began > MOST_SECONDS:
                raise SystemExit(f"`make serve` did not answer; see {var / 'log'}.")
            time.sleep(SECONDS_BETWEEN_LOOKS)
        return round(time.monotonic() - began, 2)
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait()


def answers(var: Path) -> bool:
    """Whether somebody would see the login page."""
    state = state_read(var)
    if state is None:
        return False
    try:
        return httpx.get(f"{state.web_url}/login/", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


if __name__ == "__main__":
    sys.exit(main())
