"""Forked programs: as those that are started anew, and nothing of them is left, whoever dies."""

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from django.conf import settings

from alignment import program_forks, program_process
from alignment.program_forks import (
    FAMILIES,
    SERVER,
    TORCH,
    ForkedKeeper,
    family_of,
    servers_let_go,
    surroundings,
)
from alignment.program_process import MARK, ChildKeeper, ProgramProcess, is_alive, process_start
from pretrain.run import RunFolder, program_command
from tests.alignment.stand_in import StandInConfig

STAND_IN = "tests.alignment.stand_in"
WORKER = """
import sys, time, django
django.setup()
from pathlib import Path
from tests.alignment.test_program_forks import FAMILIES, STAND_IN, TORCH, RunFolder, fork, program_process
FAMILIES[STAND_IN] = TORCH
program_process.FORK_SECONDS = 300.0
kept = fork(Path(sys.argv[1]), "breed")
time.sleep(600)
"""
SECONDS = 30.0


@pytest.fixture(autouse=True)
def forked(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Stand-ins are forked; at the end nobody holds the servers."""
    monkeypatch.setitem(FAMILIES, STAND_IN, TORCH)
    monkeypatch.setattr(program_process, "FORK_SECONDS", 300.0)
    yield
    servers_let_go()


def environment_of(folder: Path) -> dict[str, str]:
    """An environment that no other test's programs have, nor their server."""
    return {**settings.ACCORD_PROGRAM_ENVIRONMENT(num_threads=1), "TEST_FOLDER": str(folder)}


def start(folder: Path, behaviour: str, *, name: str = "run", silence: float | None = None) -> ProgramProcess:
    """Start a stand-in in `folder / name`."""
    run_folder = RunFolder(folder / name)
    run_folder.write_config(StandInConfig.model_validate({"behaviour": behaviour}))
    return process_start(
        program_command(STAND_IN, run_folder),
        log=run_folder.path / "log.txt",
        environment=environment_of(folder),
        grace=1.0,
        silence=silence,
    )


def fork(folder: Path, behaviour: str, **options: Any) -> ProgramProcess:  # Any: options of start
    """The same, and it must be forked."""
    process = start(folder, behaviour, **options)
    assert isinstance(process.keeper, ForkedKeeper)
    return process


def ended(process: ProgramProcess) -> int:
    deadline = time.monotonic() + SECONDS
    while process.running:
        assert time.monotonic() < deadline, "the program did not end"
        time.sleep(0.02)
    return process.returncode


def started(folder: Path, num: int) -> list[psutil.Process]:
    """The program's processes, once there are `num`."""
    path, deadline = folder / "starts.txt", time.monotonic() + SECONDS
    while not (path.exists() and len(path.read_text().split()) >= num):
        assert time.monotonic() < deadline, "the program did not start"
        time.sleep(0.02)
    return [psutil.Process(int(pid)) for pid in path.read_text().split()]


def gone(*processes: psutil.Process) -> bool:
    """Whether all end soon."""
    deadline = time.monotonic() + SECONDS
    while any(map(is_alive, processes)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not any(map(is_alive, processes))


def servers(folder: Path) -> list[psutil.Process]:
    """The servers of the test in `folder`."""
    found = []
    for process in psutil.process_iter(["cmdline", "environ"]):
        if (process.info["environ"] or {}).get("TEST_FOLDER") == str(folder):
            found.append(process)
    return [each for each in found if SERVER in (each.info["cmdline"] or []) and is_alive(each)]


@pytest.mark.parametrize(
    ("behaviour", "status"), [("finish", 0), ("refuse", 2), ("break", 1), ("die", -signal.SIGKILL)]
)
def test_the_status_and_the_log_are_the_programs(tmp_path: Path, behaviour: str, status: int) -> None:
    assert ended(fork(tmp_path, behaviour)) == status
    log = (tmp_path / "run" / "log.txt").read_text()
    assert ("The data is too small" in log, "Traceback" in log) == (
        behaviour == "refuse",
        behaviour == "break",
    )


def test_a_forked_program_looks_like_one_that_was_started_anew(tmp_path: Path) -> None:
    known = {}
    for name in ("forked", "anew"):
        process = start(tmp_path, "wait", name=name)
        assert isinstance(process.keeper, ForkedKeeper) == (name == "forked")
        (program,) = started(tmp_path / name, 1)
        kept = psutil.Process(process.pid)
        known[name] = [
            (
                [
                    part.replace(str(tmp_path / name), "")
                    for part in each.cmdline()
                    if not part.startswith("-Xroom=")
                ],
                {key: value for key, value in each.environ().items() if key != MARK},
                each.cwd(),
                os.getsid(each.pid) == each.pid,
                [status_of(each, word) for word in ("SigIgn", "SigBlk", "Umask", "Threads")],
            )
            for each in (kept, program)
        ]
        assert program.ppid() == kept.pid
        assert {each.environ()[MARK] for each in (kept, program)} == {process.mark}
        assert {str(Path(f"/proc/{program.pid}/fd/{number}").readlink()) for number in (1, 2)} == {
            str(tmp_path / name / "log.txt")
        }
        process.stop()
        assert process.returncode == 143
        assert gone(kept, program)
        program_forks.FAMILIES.pop(STAND_IN, None)
    for forked_one, anew in zip(known["forked"], known["anew"], strict=True):
        assert forked_one == anew


def status_of(process: psutil.Process, word: str) -> str:
    """A line of the process's status."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return next(line for line in lines if line.startswith(word))


@pytest.mark.parametrize("victim", ["server", "keeper", "program"])
def test_a_kill_leaves_nothing_behind(tmp_path: Path, victim: str) -> None:
    process = fork(tmp_path, "breed")
    program, child = started(tmp_path / "run", 2)
    kept, (server,) = psutil.Process(process.pid), servers(tmp_path)
    {"server": server, "keeper": kept, "program": program}[victim].kill()
    if victim == "server":
        assert gone(server)
        assert process.running  # what it forked goes on
        assert ended(fork(tmp_path, "finish", name="next")) == 0
        process.stop()
        assert process.returncode == 143
    else:
        assert ended(process) == -signal.SIGKILL
    assert gone(kept, program, child)


def test_a_killed_worker_leaves_no_process_behind(
    tmp_path: Path, process_environment: dict[str, str]
) -> None:
    paths = f"{settings.ACCORD_REPOSITORY}:{settings.ACCORD_REPOSITORY / 'platform'}"
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(tmp_path)],
        cwd=settings.ACCORD_REPOSITORY,
        env={**process_environment, "PYTHONPATH": paths},
    )
    program, child = started(tmp_path / "run", 2)
    kept, (server,) = psutil.Process(program.ppid()), servers(tmp_path)
    worker.kill()
    worker.wait()
    assert gone(kept, program, child, server)


def test_a_program_that_nobody_hears_of_is_stopped(tmp_path: Path) -> None:
    assert ended(fork(tmp_path, "finish", name="first")) == 0  # the server is there
    process = fork(tmp_path, "hang", silence=4.0)
    (program,) = started(tmp_path / "run", 1)
    assert ended(process) == 143
    assert gone(program)
    assert "Nothing was heard" in (tmp_path / "run" / "log.txt").read_text()


def test_programs_share_a_server_that_ends_when_nobody_holds_it(tmp_path: Path) -> None:
    processes = [fork(tmp_path, "finish", name=str(number)) for number in range(3)]
    assert [ended(process) for process in processes] == [0, 0, 0]
    (server,) = servers(tmp_path)
    servers_let_go()
    assert gone(server)


def test_a_file_that_changed_makes_a_new_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "changing"
    package.mkdir()
    source = "if __name__ == '__main__':\n    print('{}')\n"
    module, log = package / "changing_program.py", tmp_path / "log.txt"
    module.write_text(source.format("before"))
    environment = {**environment_of(tmp_path), "PYTHONPATH": str(package), "PYTHONDONTWRITEBYTECODE": "1"}
    monkeypatch.setitem(FAMILIES, "changing_program", TORCH)

    def run() -> str:
        command = [sys.executable, "-m", "changing_program", str(tmp_path / "run.json")]
        process = process_start(command, log=log, environment=environment)
        assert isinstance(process.keeper, ForkedKeeper)
        assert ended(process) == 0
        return log.read_text()

    assert run() == "before\n"
    first = servers(tmp_path)
    module.write_text(source.format("and after"))
    assert run() == "before\nand after\n"
    assert gone(*first)
    assert len(servers(tmp_path)) == 1


def test_a_module_that_starts_threads_is_started_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "threaded.py").write_text(
        "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n"
    )
    environment = {**environment_of(tmp_path), "PYTHONPATH": str(tmp_path)}
    monkeypatch.setitem(FAMILIES, "threaded", TORCH)
    command = [sys.executable, "-m", "threaded", str(tmp_path / "run.json")]
    for _ in range(2):
        process = process_start(command, log=tmp_path / "log.txt", environment=environment)
        assert isinstance(process.keeper, ChildKeeper)
        assert ended(process) == 0
    assert servers(tmp_path) == []


def test_a_server_that_takes_too_long_starts_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "slow.py").write_text(
        "import time\nif __name__ == '__main__':\n    print('ran')\nelse:\n    time.sleep(2)\n"
    )
    environment = {**environment_of(tmp_path), "PYTHONPATH": str(tmp_path)}
    monkeypatch.setitem(FAMILIES, "slow", TORCH)
    command, log = [sys.executable, "-m", "slow", str(tmp_path / "run.json")], tmp_path / "log.txt"
    first = process_start(command, log=log, environment=environment, silence=1.0)
    assert isinstance(first.keeper, ChildKeeper)
    assert ended(first) == 0
    second = process_start(command, log=log, environment=environment)
    assert isinstance(second.keeper, ForkedKeeper)
    assert ended(second) == 0
    assert log.read_text() == "ran\nran\n"


def test_the_setting_switches_it_off(tmp_path: Path, settings: Any) -> None:  # Any: pytest-django's
    settings.ACCORD_FORK_PROGRAMS = False
    process = start(tmp_path, "finish")
    assert isinstance(process.keeper, ChildKeeper)
    assert ended(process) == 0


def test_what_needs_a_gpu_another_interpreter_or_several_processes_is_started_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [sys.executable, "-m", STAND_IN, "run.json"]
    assert family_of(command) == TORCH
    assert family_of(["/usr/bin/python3", *command[1:]]) is None
    assert family_of([sys.executable, "-m", "torch.distributed.run", *command]) is None
    monkeypatch.setattr(program_forks, "DEVICES", (str(tmp_path),))
    assert family_of(command) is None


def test_programs_with_another_environment_or_other_limits_have_a_server_of_their_own(tmp_path: Path) -> None:
    environment = environment_of(tmp_path)
    before = surroundings(environment, tmp_path)
    assert surroundings(dict(environment), tmp_path) == before
    assert surroundings({**environment, "OMP_NUM_THREADS": "2"}, tmp_path) != before
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft - 1, hard))
    try:
        assert surroundings(environment, tmp_path) != before
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
