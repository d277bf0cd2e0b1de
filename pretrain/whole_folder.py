"""Folders that are whole or not there: written aside, brought to disk, then renamed.

Comes in: the path to create. Goes out: a folder to fill; other programs never see it half full.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pretrain.run import sync_folder


@contextmanager
def whole_folder(out: Path) -> Iterator[Path]:
    """An empty folder that becomes `out` when the block ends, in place of an older one.

    When the block fails, `out` stays as it was.
    """
    out = Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    aside = out.with_name(f".{out.name}.writing")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    try:
        yield aside
        for file in aside.iterdir():
            file.chmod(0o644)  # safetensors writes for its owner alone, workers may be other users
            sync(file)
        sync_folder(aside)
        replace_folder(aside, out)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def replace_folder(aside: Path, out: Path) -> None:
    """Rename `aside` to `out`, moving an older `out` away first."""
    old = out.with_name(f".{out.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if out.exists():
        out.rename(old)
    aside.rename(out)
    sync_folder(out.parent)
    shutil.rmtree(old, ignore_errors=True)


def sync(path: Path) -> None:
    """Wait until the file is on disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
