"""What a stack leaves behind that it should not: processes of nobody, and temporary files.

Comes in: the stack's data folder. Goes out: lists in words, empty where all is well.
"""

from collections.abc import Iterator
from pathlib import Path

import psutil

from tests.benchmarks.chaos_kills import SERVE, is_alive, running_programs

SKIPPED = ("postgres", "valkey", "log", "static")
"""Folders in which others than rounds write."""

TEMPORARY_ENDINGS = (".writing", ".new", ".tmp", ".partial")
UNFINISHED = "checkpoint-*.pt"
"""What a finished program has no use for."""


def stray_programs(var: Path) -> list[str]:
    """Programs that still run; to be asked when no round is under way."""
    return [described(process) for process in running_programs(var, lambda module: module != SERVE)]


def model_servers(var: Path) -> frozenset[str]:
    """The names of the run folders of the servers that run."""
    servers = running_programs(var, lambda module: module == SERVE)
    commands = [process.cmdline() for process in servers if is_alive(process)]
    return frozenset(Path(command[-1]).parent.name for command in commands if SERVE in command)


def processes_of(var: Path) -> list[str]:
    """All that still belong to a stack that was stopped, as their environment or their folder says."""
    found = []
    for process in psutil.process_iter():
        try:
            ours = process.environ().get("ACCORD_VAR") == str(var) or process.cwd().startswith(str(var))
        except (psutil.Error, OSError):
            continue
        if ours and is_alive(process):
            found.append(described(process))
    return found


def temporary_files(var: Path) -> list[str]:
    """Files and folders that somebody began and nobody finished, relative to `var`."""
    return sorted(str(path.relative_to(var)) for path in _all(var) if _is_temporary(path))


def described(process: psutil.Process) -> str:
    """A process for people."""
    try:
        return f"{process.pid} {' '.join(process.cmdline())[-200:]}"
    except psutil.NoSuchProcess:
        return f"{process.pid} (gone)"


def _all(var: Path) -> Iterator[Path]:
    for path in var.iterdir():
        if path.name in SKIPPED:
            continue
        yield path
        if path.is_dir():
            yield from path.rglob("*")


def _is_temporary(path: Path) -> bool:
    return path.name.startswith(".") or path.name.endswith(TEMPORARY_ENDINGS) or path.match(UNFINISHED)
