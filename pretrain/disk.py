"""Free space on disk, asked for before much is written. No torch."""

import os
from pathlib import Path

from pretrain.failures import ProgramError

UNITS = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


def free_bytes(folder: Path) -> int:
    """What an unprivileged user may still write where `folder` lies or will lie."""
    while not folder.exists():
        folder = folder.parent
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize


def require_space(folder: Path, num_bytes: int, what: str) -> None:
    """Raise ProgramError unless `num_bytes` fit on the disk of `folder`; `what` needs them."""
    free = free_bytes(folder)
    if free < num_bytes:
        raise ProgramError(
            f"The disk of {folder} has {size(free)} free and {what} needs {size(num_bytes)}: free "
            f"{size(num_bytes - free)} more there, then retry."
        )


def size(num_bytes: int) -> str:
    """Bytes in words of three digits."""
    for unit, name in UNITS:
        if num_bytes >= unit:
            return f"{num_bytes / unit:.3g} {name}"
    return f"{num_bytes} bytes"
