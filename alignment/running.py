"""Runs one program for a Celery worker: claims it, starts it, follows its files, and records how it ended.

The claim is one UPDATE guarded by state and attempt, so a message delivered twice starts nothing. The
lease in the row is renewed while the program lives; a worker that dies stops renewing, and whoever
advances the round gives the program to another.
"""

import json
import os
import signal
import subprocess
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import psutil
from django.conf import settings
from django.utils import timezone

from accounts.errors import AccordError
from alignment.messages import program_moved
from alignment.models import Program
from alignment.usage import UsageMeter
from pretrain.run import RunFolder, program_command

LEASE = timedelta(seconds=60)
RENEW_SECONDS = 1.0
POLL_SECONDS = 0.1
GRACE_SECONDS = 10.0


class ProgramLost(AccordError):
    """The program is no longer this worker's: it was cancelled or given to another."""


class ProgressTail:
    """Reads what a run folder's metrics.jsonl gained since the last look."""

    def __init__(self, folder: RunFolder, *, from_start: bool = False) -> None:
        self._path = folder.metrics_path
        self._offset = 0 if from_start or not self._path.exists() else self._path.stat().st_size

    def latest(self) -> dict[str, int | str] | None:
        """The newest progress row, or None where nothing came."""
        if not self._path.exists():
            return None
        with self._path.open("rb") as lines:
            lines.seek(self._offset)
            data = lines.read()
        complete, newline, _ = data.rpartition(b"\n")
        self._offset += len(complete) + len(newline)
        rows = [json.loads(line) for line in complete.splitlines() if b'"progress"' in line]
        return rows[-1] if rows else None


def program_claim(program_id: int, attempt: int) -> Program | None:
    """Make the program this worker's, or None where the message is void."""
    now = timezone.now()
    claimed = Program.objects.filter(id=program_id, attempt=attempt, state=Program.State.QUEUED).update(
        state=Program.State.RUNNING, lease_expires_at=now + LEASE, started_at=now, error=""
    )
    return Program.objects.select_related("stage").get(id=program_id) if claimed else None


def program_run(program: Program) -> None:
    """Run a claimed program to its end and record the end. Kills it if it is cancelled meanwhile."""
    folder = RunFolder(Path(program.folder))
    _kill_leftover(program)
    if folder.read_result() is None:
        try:
            returncode = _follow(program, folder)
        except ProgramLost:
            return
    else:
        returncode = 0
    _record_end(program, folder, returncode)


def _follow(program: Program, folder: RunFolder) -> int:
    """Start the process, renew the lease and publish progress until it ends; its exit status."""
    with (folder.path / "log.txt").open("ab") as log:
        process = subprocess.Popen(
            program_command(program.module, folder),
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            cwd=settings.ACCORD_REPOSITORY,
            env=settings.ACCORD_PROGRAM_ENVIRONMENT(num_threads=program.num_threads),
            start_new_session=True,
        )
    mine = Program.objects.filter(id=program.id, attempt=program.attempt, state=Program.State.RUNNING)
    mine.update(pid=process.pid)
    program_moved(program.stage.round_id, program.id)
    tail = ProgressTail(folder)
    meter = UsageMeter(folder, process.pid)
    renewed = time.monotonic()
    try:
        while process.poll() is None:
            time.sleep(POLL_SECONDS)
            if time.monotonic() - renewed < RENEW_SECONDS:
                continue
            renewed = time.monotonic()
            progress = tail.latest() or {}
            values = {name: progress[name] for name in ("done", "total", "unit") if name in progress}
            if not mine.update(lease_expires_at=timezone.now() + LEASE, **values):
                raise ProgramLost(f"{program} was cancelled.")
            meter.measure()
            if values:
                program_moved(program.stage.round_id, program.id)
    finally:
        if process.poll() is None:
            stop_group(process)
    return process.returncode


def _record_end(program: Program, folder: RunFolder, returncode: int) -> None:
    result = folder.read_result()
    finished = returncode == 0 and result is not None
    values: dict[str, object] = {
        "state": Program.State.FINISHED if finished else Program.State.FAILED,
        "result": result or {},
        "error": "" if finished else _error_sentence(folder, returncode),
        "finished_at": timezone.now(),
        "pid": None,
        "lease_expires_at": None,
    }
    progress = ProgressTail(folder, from_start=True).latest() if finished else None
    if progress:
        values.update({name: progress[name] for name in ("done", "total", "unit")})
    Program.objects.filter(id=program.id, attempt=program.attempt, state=Program.State.RUNNING).update(
        **values
    )
    program_moved(program.stage.round_id, program.id)


def _error_sentence(folder: RunFolder, returncode: int) -> str:
    sentence = folder.read_error()
    if sentence:
        return sentence
    if returncode < 0:
        return (
            f"The program was killed by {signal.Signals(-returncode).name}; its log is {folder.path}/log.txt."
        )
    return f"The program ended with status {returncode} and no result; its log is {folder.path}/log.txt."


def _kill_leftover(program: Program) -> None:
    """End the processes that an earlier, lost attempt left in this run folder."""
    config = str(RunFolder(Path(program.folder)).config_path)
    running = psutil.process_iter(["cmdline"])
    _kill_all([process for process in running if config in (process.info["cmdline"] or [])])


def stop_group(process: "subprocess.Popen[bytes]") -> None:
    """Ask the process and its children to stop, and kill them if they do not."""
    # torch's launcher starts its processes in groups of their own and tells them to stop itself, but cannot
    # when it is killed.
    children = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    _kill_all(children)


def _kill_all(processes: list[psutil.Process]) -> None:
    """Kill those that still run, and come back when they no longer do."""
    for process in filter(_is_alive, processes):
        with suppress(psutil.NoSuchProcess):
            process.kill()
    waited_since = time.monotonic()
    while any(map(_is_alive, processes)) and time.monotonic() - waited_since < GRACE_SECONDS:
        time.sleep(POLL_SECONDS)


def _is_alive(process: psutil.Process) -> bool:
    """Whether it can still do something: a zombie, whose parent has not looked yet, cannot."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def stop_child(process: "subprocess.Popen[bytes]") -> None:
    """Ask a process of our own group to stop, and kill it if it does not."""
    process.terminate()
    try:
        process.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
