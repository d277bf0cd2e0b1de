"""What a forked process is called: the command line and the variables by which others find it.

The kernel shows both from memory that was laid out when the interpreter was started, so a forked process
shows its parent's. It can write over that memory, as setproctitle does, within the room that there is:
whoever starts the parent leaves some, with an argument that Python passes over (`room_argument`).
"""

import ctypes
import os
from collections.abc import Sequence
from pathlib import Path

ROOM = 2048
"""Bytes for the command line of a forked process."""
FILLER = "-Xroom="
ARGUMENTS, ENVIRONMENT = (47, 48), (49, 50)
"""The fields of /proc/self/stat, counted from 0, with the addresses of the first byte and after the last."""


def room_argument() -> str:
    """An argument of the parent's that makes room."""
    return FILLER + "." * (ROOM - len(FILLER))


def has_room(command: Sequence[str]) -> bool:
    """Whether a process forked from one that was started with `room_argument` can be called so."""
    return len(_joined(command)) <= ROOM


def command_line_write(command: Sequence[str]) -> None:
    """Show `command` as this process's command line, its first word followed by a filler.

    Raises ValueError where it does not fit.
    """
    begin, size = _place(ARGUMENTS)
    first, *others = command
    left = size - len(_joined([first, FILLER, *others]))
    if left < 0:
        raise ValueError(f"The command line has {-left} bytes too many.")
    ctypes.memmove(begin, _joined([first, FILLER + "." * left, *others]), size)


def variable_write(name: str, value: str) -> None:
    """Show another value for a variable that the interpreter was started with, and set it.

    Raises ValueError where the new value is not as long as that one.
    """
    begin, _ = _place(ENVIRONMENT)
    shown = b"\0" + Path("/proc/self/environ").read_bytes()
    key = os.fsencode(f"\0{name}=")
    at = shown.find(key)
    old, _, _ = shown[at + len(key) :].partition(b"\0")
    new = os.fsencode(value)
    if at < 0 or len(old) != len(new):
        raise ValueError(f"{name} cannot become {value!r}: it was {os.fsdecode(old)!r}.")
    ctypes.memmove(begin + at + len(key) - 1, new, len(new))
    os.environ[name] = value


def _place(fields: tuple[int, int]) -> tuple[int, int]:
    """Where the memory begins and how many bytes there are."""
    # The name, in brackets, may hold anything: what follows it begins with the third field.
    told = Path("/proc/self/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    begin, end = (int(told[field - 2]) for field in fields)
    return begin, end - begin


def _joined(command: Sequence[str]) -> bytes:
    return b"".join(os.fsencode(part) + b"\0" for part in command)
