"""What a run folder says of its program: the newest progress, and whether it still gets anywhere.

Comes in: the files that the program appends to. Goes out: progress rows, and how long nothing has come. No
database; the time is an argument.
"""

import json
from typing import Any

from pretrain.run import RunFolder

START_SECONDS = 1800.0
"""What a program may take before its first row of metrics, however soon it must show progress after: an
engine loads weights and compiles."""


class ProgressTail:
    """Reads what a run folder's metrics.jsonl gained since the last look."""

    def __init__(self, folder: RunFolder, *, from_start: bool = False) -> None:
        self._path = folder.metrics_path
        self._offset = 0 if from_start or not self._path.exists() else self._path.stat().st_size

    def latest(self) -> dict[str, Any] | None:  # Any: JSON
        """The newest progress row, or None where nothing came."""
        if not self._path.exists():
            return None
        with self._path.open("rb") as lines:
            lines.seek(self._offset)
            data = lines.read()
        complete, newline, _ = data.rpartition(b"\n")
        self._offset += len(complete) + len(newline)
        newest = None
        for line in complete.splitlines():
            if b'"progress"' in line:
                try:
                    newest = json.loads(line)
                except json.JSONDecodeError:  # cut off by a kill
                    continue
        return newest


class StallWatch:
    """Notices when neither metrics nor the log grow any more."""

    def __init__(self, folder: RunFolder, stall_seconds: float, now: float) -> None:
        self._folder = folder
        self._seconds = stall_seconds
        self._at_start, _ = self._sizes = self._look()
        self._moved = now

    def look(self, now: float) -> bool:
        """Whether anything came since the last look."""
        sizes = self._look()
        if sizes == self._sizes:
            return False
        self._sizes, self._moved = sizes, now
        return True

    def stalled(self, now: float) -> float | None:
        """For how many seconds nothing came, where that is too long."""
        begun = self._sizes[0] != self._at_start
        allowed = self._seconds if begun else max(self._seconds, START_SECONDS)
        quiet = now - self._moved
        return quiet if quiet > allowed else None

    def _look(self) -> tuple[int, int]:
        paths = (self._folder.metrics_path, self._folder.path / "log.txt")
        metrics, log = (path.stat().st_size if path.exists() else 0 for path in paths)
        return metrics, log
