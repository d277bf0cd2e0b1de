"""What a backup holds, written last: a folder of backups without a manifest in it holds none.

OUT/blobs/ab/abcd…            contents of files, by their SHA-256, shared by all backups
OUT/backups/NAME/             manifest.json, database.dump, keys/
OUT/backups/.NAME.partial/    one that is being made, or was broken off
"""

import hashlib
import json
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from accounts.errors import Invalid, NotFound

FORMAT = 1
MANIFEST = "manifest.json"
DUMP = "database.dump"
KEYS = "keys"
PARTIAL = ".partial"

KeysKind = Literal["plain", "encrypted", "none"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FileEntry(_Part):
    """One file."""

    path: str
    """Relative to the var folder; of models that lie elsewhere, `outside/HASH/…`."""
    num_bytes: int
    modified_ns: int
    sha256: str
    inode: int
    """Together with size and time: whether the next backup must read it again."""


class OutsideFolder(_Part):
    """A model's folder that does not lie in var."""

    was: str
    """Its absolute path."""
    folder: str
    """Where it is among the files."""


class Manifest(_Part):
    """The whole of it."""

    format: int = FORMAT
    name: str
    created_at: str
    """Of the database's snapshot; ISO 8601."""
    var: str
    """The var folder's absolute path, which the database names."""
    migrations: dict[str, str]
    """By app, the newest applied."""
    audit_head: str
    server_version: str
    database_sha256: str
    database_bytes: int
    keys: KeysKind
    key_files: list[str]
    files: list[FileEntry]
    outside: list[OutsideFolder]
    problems: list[str]
    """What the database refers to that was not there, or not as it should be, when the backup was made."""

    @property
    def num_bytes(self) -> int:
        """Of all files, as they will lie on a disk."""
        return sum(entry.num_bytes for entry in self.files)


def backups_found(out: Path) -> list[str]:
    """The whole backups, oldest first."""
    return sorted(path.parent.name for path in (out / "backups").glob(f"[!.]*/{MANIFEST}"))


def backup_folder(out: Path, name: str) -> Path:
    """Where its manifest lies."""
    return out / "backups" / name


def manifest_write(folder: Path, manifest: Manifest) -> None:
    """Write it with a hash of itself."""
    body = manifest.model_dump(mode="json")
    told = {"sha256": _digest(body), "manifest": body}
    (folder / MANIFEST).write_text(json.dumps(told, indent=1))


def manifest_read(out: Path, name: str = "") -> Manifest:
    """The manifest of the backup, or of the newest. Raises NotFound, Invalid where it is damaged."""
    names = backups_found(out)
    if not names or (name and name not in names):
        there = f"there are {', '.join(names[-5:])}" if names else "there is none"
        raise NotFound(f"{out} has no backup {name or 'that is whole'}: {there}.")
    path = backup_folder(out, name or names[-1]) / MANIFEST
    try:
        told = json.loads(path.read_text())
        manifest = Manifest.model_validate(told["manifest"])
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        raise Invalid(f"{path} is damaged: restore from another backup.") from error
    if _digest(told["manifest"]) != told["sha256"]:
        raise Invalid(f"{path} was changed since it was written: restore from another backup.")
    if manifest.format != FORMAT:
        raise Invalid(f"{path} has format {manifest.format}, and this release reads {FORMAT}.")
    return manifest


def _digest(body: object) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
