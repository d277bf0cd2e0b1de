"""Run folders with files of every kind, touched now or days ago."""

import os
import time
from pathlib import Path

OLD = 3 * 86400
FILES = {
    "log.txt": "logs",
    "checkpoint-5-ab.pt": "optimizer",
    "candidates.jsonl": "candidates",
    "x.json": "runs",
}
"""A run folder's files, and the rule that may let each go."""


def put(folder: Path, *, old: bool, names: tuple[str, ...] = tuple(FILES)) -> list[Path]:
    """A folder of files, touched now or three days ago."""
    folder.mkdir(parents=True)
    paths = [folder / name for name in names]
    for path in paths:
        path.write_text(path.name)
    for path in [*paths, folder]:
        moment = time.time() - (OLD if old else 0)
        os.utime(path, (moment, moment))
    return paths
