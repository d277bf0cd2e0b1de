"""`job.json` in a run folder: which job of a cluster works there, so that any worker finds it again.

It is written twice: before the job is handed in, with a name that no other job has, and after, with the
handle that the cluster gave it. A worker that dies in between leaves a name to look for.
"""

import json
import secrets
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from pretrain.run import RunFolder, write_atomically

JOB_FILE = "job.json"


@dataclass(frozen=True, kw_only=True)
class Handle:
    """A job, as its run folder knows it."""

    launcher: str
    name: str
    """What the cluster calls it: letters, digits and hyphens, used once."""
    handle: str = ""
    """Empty while nobody knows whether the cluster has taken it."""
    is_stopping: bool = False
    """We asked for its end ourselves."""


def new_handle(launcher: str) -> Handle:
    """One that nothing else has."""
    return Handle(launcher=launcher, name=f"accord-{secrets.token_hex(8)}")


def handle_read(folder: RunFolder) -> Handle | None:
    """The job of this folder; None where there is none."""
    path = handle_path(folder)
    return Handle(**json.loads(path.read_text())) if path.exists() else None


def handle_write(folder: RunFolder, handle: Handle) -> Handle:
    """Write it down, and give it back."""
    write_atomically(handle_path(folder), json.dumps(asdict(handle)))
    return handle


def handle_stopping(folder: RunFolder) -> None:
    """Note that we ask for the end of the folder's job, so that its end surprises nobody."""
    present = handle_read(folder)
    if present is not None:
        handle_write(folder, replace(present, is_stopping=True))


def handle_forget(folder: RunFolder) -> None:
    """The folder has no job any more."""
    handle_path(folder).unlink(missing_ok=True)


def handle_path(folder: RunFolder) -> Path:
    """Where it lies."""
    return folder.path / JOB_FILE
