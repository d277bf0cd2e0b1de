"""Which process holds a program's lease, so that a successor on the same machine can tell that it is dead.

A machine is named by its host name, its boot and its space of process ids: containers that share a host name
see other processes under the same ids. A process is named by its id and when it started, for ids come again.
"""

import os
import socket
from functools import cache
from pathlib import Path

import psutil

BOOT = Path("/proc/sys/kernel/random/boot_id")
PROCESS_IDS = Path("/proc/self/ns/pid")
STARTED = 19
"""Place in /proc/PID/stat, counted from the state behind the name in brackets: ticks from boot to start."""
SEPARATOR = "|"


@cache
def machine() -> str:
    """This machine, such as "gpu-3/b0f1…/pid:[4026531836]". Without /proc the host name must do."""
    boot = BOOT.read_text().strip() if BOOT.exists() else ""
    space = str(PROCESS_IDS.readlink()) if PROCESS_IDS.is_symlink() else ""
    return f"{socket.gethostname()}/{boot}/{space}"


def worker_identity() -> str:
    """This process: "machine|process id|when it started"."""
    pid = os.getpid()
    return SEPARATOR.join((machine(), str(pid), _started(pid)))


def is_dead(identity: str) -> bool:
    """Whether the process is one of this machine and runs no more; False where that cannot be told."""
    parts = identity.split(SEPARATOR)
    if len(parts) != 3 or parts[0] != machine():
        return False
    return _started(int(parts[1])) != parts[2]


def _started(pid: int) -> str:
    """When the process started, in words that stay the same while it runs; nothing where it does not."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return _started_without_proc(pid)
    fields = told.rpartition(")")[2].split()
    return "" if fields[0] in "ZX" else fields[STARTED]


def _started_without_proc(pid: int) -> str:
    try:
        return str(round(psutil.Process(pid).create_time()))
    except psutil.NoSuchProcess:
        return ""
