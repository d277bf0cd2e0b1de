"""What takes the disk: every file of the var folder by kind, project and round; links are counted once."""

import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.utils import timezone

from accounts.process_cache import process_cache

KEPT, KEPT_SECONDS = "disk-report", 60.0

ENDINGS = {
    ".safetensors": "weights",
    ".bin": "weights",
    ".pt": "optimizer states",
    ".distcp": "optimizer states",
    ".jsonl": "data and answers",
    ".parquet": "data and answers",
    ".log": "logs and metrics",
    ".old": "logs and metrics",
}
NAMES = {"metrics.jsonl": "logs and metrics", "log.txt": "logs and metrics"}
OTHER = "other"


@dataclass(kw_only=True)
class Usage:
    """What some files take."""

    num_bytes: int = 0
    num_files: int = 0

    def add(self, num_bytes: int) -> None:
        """One more file."""
        self.num_bytes += num_bytes
        self.num_files += 1


@dataclass(kw_only=True)
class DiskReport:
    """All of it."""

    by_kind: dict[str, Usage] = field(default_factory=lambda: defaultdict(Usage))
    by_place: dict[tuple[str, str], Usage] = field(default_factory=lambda: defaultdict(Usage))
    """By folder of var and project (or what stands in its place), and round."""
    database_bytes: int = 0
    free_bytes: int = 0
    at: datetime = field(default_factory=timezone.now)
    """When it was looked at."""


def disk_report_recent() -> DiskReport:
    """The last one, while it is not older than KEPT_SECONDS: disks that many share are slow to walk."""
    report: DiskReport | None = process_cache.get(KEPT)
    if report is None:
        report = disk_report()
        process_cache.set(KEPT, report, KEPT_SECONDS)
    return report


def disk_report() -> DiskReport:
    """Look at every file of the var folder; the database by what it says of itself."""
    var: Path = settings.ACCORD_VAR
    report = DiskReport()
    seen: set[tuple[int, int]] = set()
    for entry in entries_below(var, but="postgres"):
        try:
            status = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            continue
        inode = (status.st_dev, status.st_ino)
        num_bytes = 0 if inode in seen else status.st_blocks * 512
        seen.add(inode)
        path = Path(entry.path)
        report.by_kind[kind_of(path)].add(num_bytes)
        report.by_place[_place(path.relative_to(var))].add(num_bytes)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database())")
        report.database_bytes = cursor.fetchone()[0]
    disk = os.statvfs(var)
    report.free_bytes = disk.f_bavail * disk.f_frsize
    return report


def kind_of(path: Path) -> str:
    """What kind of file it is, by its name."""
    return NAMES.get(path.name) or ENDINGS.get(path.suffix, OTHER)


def files_below(folder: Path) -> Iterator[Path]:
    """Regular files, links to elsewhere left alone."""
    for entry in entries_below(folder):
        yield Path(entry.path)


def entries_below(folder: Path | str, *, but: str = "") -> Iterator[os.DirEntry[str]]:
    """Regular files; links to elsewhere are left alone, and so is the folder `but` of this one."""
    try:
        entries = list(os.scandir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            if entry.name != but:
                yield from entries_below(entry.path)
        elif entry.is_file(follow_symlinks=False):
            yield entry


def _place(relative: Path) -> tuple[str, str]:
    parts = relative.parts[:-1]
    if not parts:
        return ("", "")
    if parts[0] != "runs" or len(parts) == 1:
        return (parts[0], "")
    return (f"runs/{parts[1]}", parts[2] if len(parts) > 2 else "")
