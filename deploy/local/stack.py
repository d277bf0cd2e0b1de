"""The local stack for a program that needs one: `with local_stack(var) as stack: ... stack.web_url`.

The stack runs as a process of its own, tied to this one: it stops when the `with` block ends and also
when this process dies. A stack that runs already is used and left running.
"""

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

from accord.env import REPOSITORY, process_environment
from deploy.local.errors import StackError
from deploy.local.state import StackState, state_read
from deploy.local.supervisor import MOST_RESTARTS

SECONDS_TO_START = 300.0
SERVE = (sys.executable, "-m", "deploy.local.serve")


@contextmanager
def local_stack(
    var: Path,
    *,
    most_restarts: int = MOST_RESTARTS,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[StackState]:
    """Run the stack whose data lie in `var`, for as long as the block lasts. Raises StackError.

    `most_restarts` is how often one part may die within a minute; `environment` changes what the stack's
    processes inherit of ours.
    """
    var.mkdir(parents=True, exist_ok=True)
    (var / "log").mkdir(exist_ok=True)
    with (var / "log" / "serve.log").open("wb") as log:
        process = subprocess.Popen(
            [*SERVE, "--until-stdin-closes", "--most-restarts", str(most_restarts)],
            env=process_environment({**environment, "ACCORD_VAR": str(var.resolve())}),
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield _wait(process, var)
    finally:
        process.communicate()


def stack_environment(state: StackState, var: Path) -> dict[str, str]:
    """What a process needs in its environment to work on this stack."""
    return {
        "DATABASE_URL": state.database_url,
        "REDIS_URL": state.redis_url,
        "SECRET_KEY": (var / "secret_key").read_text().strip(),
        "ACCORD_VAR": str(var.resolve()),
    }


def _wait(process: "subprocess.Popen[bytes]", var: Path) -> StackState:
    """Wait until the stack runs: the one just started, or the one that ran before."""
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline:
        ended = process.poll()
        state = state_read(var)
        if state is not None and (state.pid == process.pid or ended == 0):
            return state
        if ended is not None:
            said = (var / "log" / "serve.log").read_text(errors="replace").strip()
            raise StackError(f"The local stack did not start:\n{said}")
        time.sleep(0.05)
    raise StackError(f"The local stack was not ready after {SECONDS_TO_START:.0f} seconds: see {var}/log.")
