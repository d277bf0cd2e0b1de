"""The guard ends everything that a dead supervisor leaves behind, and nothing else."""

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from accord.env import REPOSITORY, process_environment
from deploy.local.guard import MARK, SERVER, new_mark, start_guard, sweep

SUPERVISOR = """
import subprocess, sys, time
from pathlib import Path
from deploy.local.guard import MARK, new_mark, start_guard
var = Path(sys.argv[1])
mark = new_mark(var)
start_guard(mark, remove=[var / "stack.json"])
sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
nest = f"import subprocess; subprocess.Popen({sleep!r}, start_new_session=True).wait()"
for code in (nest, stubborn):
    subprocess.Popen([sys.executable, "-c", code], env={MARK: mark}, start_new_session=True)
subprocess.Popen(sleep, env={MARK: "another:" + str(var)})
time.sleep(0.5)
print("ready", flush=True)
time.sleep(600)
"""


def marked(var: Path, owner: str = "") -> list[psutil.Process]:
    """Living processes that carry a mark of `var`."""
    found = []
    for process in psutil.process_iter():
        try:
            mark = process.environ().get(MARK, "")
        except (psutil.Error, OSError):
            continue
        if mark.endswith(f":{var}") and owner in mark and process.status() != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


def test_a_killed_supervisor_leaves_no_process_and_no_file_behind(tmp_path: Path) -> None:
    state = tmp_path / "stack.json"
    state.write_text("{}")
    supervisor = subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, str(tmp_path)],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        env=process_environment({"PYTHONPATH": str(REPOSITORY)}),
    )
    assert supervisor.stdout is not None
    assert supervisor.stdout.readline() == b"ready\n"
    ours = str(supervisor.pid)
    assert len(marked(tmp_path, ours)) == 3  # one of them started by a child, in a session of its own

    supervisor.kill()
    supervisor.wait()
    supervisor.stdout.close()
    deadline = time.monotonic() + 60
    while (marked(tmp_path, ours) or state.exists()) and time.monotonic() < deadline:
        time.sleep(0.1)

    assert not marked(tmp_path, ours)
    assert not state.exists()
    other = marked(tmp_path, "another")
    assert len(other) == 1, "the guard ended a process that carries another mark"
    other[0].kill()


def test_the_guard_of_a_stack_within_a_stack_is_let_finish(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outer, inner = new_mark(tmp_path / "outer"), new_mark(tmp_path / "inner")
    monkeypatch.setenv(MARK, outer)
    guard = start_guard(inner)
    server = subprocess.Popen(["sleep", "600"], env={MARK: SERVER + inner})
    assert sweep(outer.__eq__, seconds=0.2) == 0
    assert guard.process.poll() is None
    guard.close()
    assert server.wait(10) != 0
