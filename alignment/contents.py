"""Content hashes of files and folders, read again only where size or time of change say so.

Kept in the database: any number of processes ask, and a checkpoint may be large.
"""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from alignment.models import Content
from pretrain.run import RunFolder
from registry.content import content_files, folder_hash


def content_hashes(paths: Iterable[Path]) -> dict[Path, str]:
    """SHA-256 of each file, or of a folder as `registry.content` hashes it; absent ones are left out."""
    signatures = {path: signature for path in paths if (signature := _signature(path)) is not None}
    known = {
        (row.path, row.signature): row.content_hash
        for row in Content.objects.filter(path__in=[str(path) for path in signatures])
    }
    found: dict[Path, str] = {}
    new = []
    for path, signature in sorted(signatures.items()):
        content_hash = known.get((str(path), signature))
        if content_hash is None:
            content_hash = _content_hash(path)
            new.append(Content(path=str(path), signature=signature, content_hash=content_hash))
        found[path] = content_hash
    if new:
        Content.objects.bulk_create(
            new, update_conflicts=True, unique_fields=["path"], update_fields=["signature", "content_hash"]
        )
    return found


def content_known(path: Path, content_hash: str) -> None:
    """Take down the hash of what lies at `path`, so that nobody has to read it."""
    Content.objects.update_or_create(
        path=str(path), defaults={"signature": _signature(path) or "", "content_hash": content_hash}
    )


def run_folder_hashes(folders: Iterable[Path]) -> dict[Path, str]:
    """By run folder: a hash of its result and of its output `out`; those that lack one are left out."""
    found = {}
    for folder in folders:
        run = RunFolder(folder)
        out = Path(json.loads(run.config_path.read_text())["out"]) if run.config_path.exists() else None
        hashes = content_hashes([run.result_path, *([] if out is None else [out])])
        if len(hashes) == 2:
            found[folder] = hashlib.sha256("".join(hashes.values()).encode()).hexdigest()
    return found


def _content_hash(path: Path) -> str:
    if path.is_dir():
        return folder_hash(path)
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _signature(path: Path) -> str | None:
    """Changes whenever a file's size or time of change does; None where nothing is there."""
    if path.is_dir():
        parts = [f"{name} {_stamp(path / name)}" for name in content_files(path)]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest() if parts else None
    return hashlib.sha256(_stamp(path).encode()).hexdigest() if path.is_file() else None


def _stamp(path: Path) -> str:
    status = path.stat()
    return f"{status.st_size} {status.st_mtime_ns}"
