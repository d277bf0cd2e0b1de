"""Proves a backup: every content is there and is what its hash says, and the dump can be read."""

import hashlib
import subprocess
from pathlib import Path

from upkeep.blobs import BlobStore
from upkeep.manifest import DUMP, KEYS, Manifest, backup_folder
from upkeep.progress import CopyProgress, Say


def backup_problems(out: Path, manifest: Manifest, *, pg_restore: Path | None, say: Say) -> list[str]:
    """What is wrong with the backup, in sentences. `pg_restore`: to read the dump with."""
    folder, store = backup_folder(out, manifest.name), BlobStore(out)
    problems = []
    dump = folder / DUMP
    if not dump.is_file():
        problems.append(f"{dump} is gone.")
    else:
        with dump.open("rb") as content:
            if hashlib.file_digest(content, "sha256").hexdigest() != manifest.database_sha256:
                problems.append(f"{dump} is damaged.")
            elif pg_restore is not None and _unreadable(dump, pg_restore):
                problems.append(f"{dump} cannot be read by pg_restore.")
    problems += [
        f"{folder / KEYS / key} is gone." for key in manifest.key_files if not (folder / KEYS / key).is_file()
    ]
    progress = CopyProgress("files", manifest.num_bytes, say)
    proved: set[str] = set()
    for entry in manifest.files:
        if entry.sha256 not in proved:
            if store.prove(entry.sha256):
                proved.add(entry.sha256)
            else:
                problems.append(f"{entry.path} is gone or damaged ({store.path(entry.sha256)}).")
        progress.add(entry.num_bytes)
    return problems


def _unreadable(dump: Path, pg_restore: Path) -> bool:
    return bool(subprocess.run([pg_restore, "--list", dump], capture_output=True, check=False).returncode)
