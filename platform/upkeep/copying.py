"""Copies the files of a site into blobs while programs write on.

What is finished is whole, the rest as a crash would leave it.

A program's `result.json` says that all else in its run folder is complete. So those that there are are listed
before any file is read, and one that comes later is left out: with it would come files that were copied
before they were complete. A folder that programs write aside has a name with a dot, and is left out too; its
final name comes all at once.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from upkeep.blobs import BlobStore
from upkeep.manifest import FileEntry
from upkeep.progress import CopyProgress, Say

FOLDERS = ("runs", "imports", "checkpoints")
"""Of the var folder, in the order in which they are read: what runs name lies in checkpoints already."""
RESULT = "result.json"
LEFTOVER_ENDINGS = (".writing", ".old", ".linking")


class Copier:
    """One backup's copying."""

    def __init__(self, store: BlobStore, known: Iterable[FileEntry], say: Say) -> None:
        self._store, self._say = store, say
        self._known = {entry.path: entry for entry in known}
        self._inodes: dict[tuple[int, int, int], str] = {}
        self.entries: dict[str, FileEntry] = {}
        self.num_read = 0
        self.bytes_read = 0

    def copy(self, roots: Mapping[str, Path]) -> None:
        """Take the files below each root, as paths that begin with its name."""
        results = {path for root in roots.values() for path in _files(root) if path.name == RESULT}
        total = sum(_size(path) for root in roots.values() for path in _files(root))
        progress = CopyProgress("files", total, self._say)
        for name, root in roots.items():
            for path in list(_files(root)):
                if path.name != RESULT or path in results:
                    entry = self._take(path, f"{name}/{path.relative_to(root).as_posix()}")
                    if entry is not None:
                        self.entries[entry.path] = entry
                        progress.add(entry.num_bytes)

    def _take(self, path: Path, name: str) -> FileEntry | None:
        """Read the file, unless the last backup or another name of it has; None where it is gone."""
        try:
            status = path.stat()
            place = (status.st_dev, status.st_ino, status.st_mtime_ns)
            sha256 = self._inodes.get(place) or self._unchanged(name, status)
            if sha256 is None or not self._store.holds(sha256, status.st_size):
                sha256, status = self._store.take(path)
                self.num_read += 1
                self.bytes_read += status.st_size
        except FileNotFoundError:
            return None
        self._inodes[place] = sha256
        return FileEntry(
            path=name,
            num_bytes=self._store.path(sha256).stat().st_size,
            modified_ns=status.st_mtime_ns,
            sha256=sha256,
            inode=status.st_ino,
        )

    def _unchanged(self, name: str, status: os.stat_result) -> str | None:
        entry = self._known.get(name)
        now = (status.st_size, status.st_mtime_ns, status.st_ino)
        same = entry is not None and (entry.num_bytes, entry.modified_ns, entry.inode) == now
        return entry.sha256 if same and entry is not None else None


def _files(root: Path) -> Iterator[Path]:
    """Regular files below the root, without what is being written aside."""
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not _is_aside(name))
        for name in sorted(names):
            path = Path(folder) / name
            if not _is_aside(name) and path.is_file() and not path.is_symlink():
                yield path


def _is_aside(name: str) -> bool:
    return name.startswith(".") and name.endswith(LEFTOVER_ENDINGS)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
