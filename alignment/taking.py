"""Files of one run folder in another, without moving them.

Folders, and files that are never written again, are linked, or copied where the disk cannot link; files to
which programs append are copied.
"""

import errno
import os
import shutil
from pathlib import Path

from registry.content import content_files


def take(source: Path, target: Path, *, is_final: bool = False) -> None:
    """Put the file or folder where it is wanted, if it is there: the target is whole or what it was.

    `is_final` says that a file is never written again. Raises OSError.
    """
    if not source.exists() or source == target:
        return
    aside = target.with_name(f".{target.name}.linking")
    remove(aside)
    if source.is_dir():
        for name in content_files(source):
            (aside / name).parent.mkdir(parents=True, exist_ok=True)
            _link_or_copy(source / name, aside / name)
        remove(target)
    else:
        aside.parent.mkdir(parents=True, exist_ok=True)
        (_link_or_copy if is_final else shutil.copy2)(source, aside)
    aside.replace(target)


def remove(path: Path) -> None:
    """Take away the file or folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP):
            raise
        shutil.copy2(source, target)
