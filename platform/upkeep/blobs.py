"""Contents of files by their hash: each is kept once, however many backups and folders have it."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from accounts.errors import Invalid

CHUNK_BYTES = 1 << 20
ASIDE = ".writing-"


class BlobStore:
    """The folder `blobs` of a folder of backups. One writer at a time; a killed one leaves whole blobs."""

    def __init__(self, out: Path) -> None:
        self.folder = out / "blobs"

    def path(self, sha256: str) -> Path:
        """Where the content is, or would be."""
        return self.folder / sha256[:2] / sha256

    def holds(self, sha256: str, num_bytes: int) -> bool:
        """Whether it is there, in its whole length."""
        path = self.path(sha256)
        return path.is_file() and path.stat().st_size == num_bytes

    def take(self, source: Path) -> tuple[str, os.stat_result]:
        """Copy the file's content as it is being read; its hash, and what the file was at the beginning.

        Raises FileNotFoundError where it is not there.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        aside = self.folder / f"{ASIDE}{os.getpid()}"
        digest = hashlib.sha256()
        with source.open("rb") as content, aside.open("wb") as out:
            status = os.fstat(content.fileno())
            while chunk := content.read(CHUNK_BYTES):
                digest.update(chunk)
                out.write(chunk)
            out.flush()
            os.fsync(out.fileno())
        kept = self.path(digest.hexdigest())
        kept.parent.mkdir(exist_ok=True)
        aside.chmod(0o400)
        aside.replace(kept)
        return kept.name, status

    def give(self, sha256: str, target: Path) -> None:
        """Write the content to `target` and prove it. Raises Invalid where it is not what it was."""
        target.parent.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256()
        try:
            with self.path(sha256).open("rb") as content, target.open("wb") as out:
                while chunk := content.read(CHUNK_BYTES):
                    digest.update(chunk)
                    out.write(chunk)
        except FileNotFoundError as error:
            raise Invalid(f"The backup lacks {self.path(sha256)} for {target}: take another.") from error
        if digest.hexdigest() != sha256:
            raise Invalid(f"{self.path(sha256)} in the backup is damaged, which is {target}: take another.")

    def prove(self, sha256: str) -> bool:
        """Whether the content is there and is what its name says."""
        path = self.path(sha256)
        if not path.is_file():
            return False
        with path.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest() == sha256

    def forget_all_but(self, kept: Iterable[str]) -> int:
        """Delete every other content, and what a killed writer left; how many bytes."""
        names, freed = set(kept), 0
        for path in [*self.folder.glob("??/*"), *self.folder.glob(f"{ASIDE}*")]:
            if path.name not in names:
                freed += path.stat().st_size
                path.unlink()
        return freed
