"""The content hash of a folder: what names a finished checkpoint. Pure: reads files, knows no database."""

import hashlib
from pathlib import Path


def folder_hash(folder: Path) -> str:
    """SHA-256 over every file's relative path and content, in the order of the paths; 64 hex digits.

    Hidden files (a writer's leftovers) and empty folders do not count. Raises FileNotFoundError where
    there is nothing to hash.
    """
    files = content_files(folder)
    if not files:
        raise FileNotFoundError(f"{folder} has no files.")
    digest = hashlib.sha256()
    for name in files:
        with (folder / name).open("rb") as content:
            digest.update(f"{name}\0{hashlib.file_digest(content, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()


def content_files(folder: Path) -> list[str]:
    """The files that make up the content, as sorted paths relative to the folder."""
    names = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(name.as_posix() for name in names if not any(part.startswith(".") for part in name.parts))
