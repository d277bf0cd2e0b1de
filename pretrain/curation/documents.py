"""The record that all of curation shares: a document, where it comes from, and what each filter said.

Shards are JSON lines compressed with Zstandard (`.jsonl.zst`), one document a line, written aside and
renamed, so that a shard is whole or absent. The same documents give the same bytes.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, cast

import zstandard
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pretrain.failures import ProgramError
from pretrain.run import sync_folder

ENDING = ".jsonl.zst"
LEVEL = 3
"""Zstandard's: beyond it bytes are few and time is much."""
READ_BYTES = 1 << 18
"""Of the compressed file at once."""


class Verdict(BaseModel):
    """What one filter said of a document."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kept: bool
    reason: str = ""
    """Why it was dropped, in words; of what was kept, what the filter took it for, if it says that."""
    value: float | None = None
    """What the filter measured."""


class Document(BaseModel):
    """A text with its provenance."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str
    source: str
    """The name of the file that it was in."""
    offset: int = Field(default=0, ge=0)
    """The byte where its WARC record begins, or its line or row."""
    url: str | None = None
    date: str | None = None
    """ISO 8601, as far as it is known."""
    language: str | None = None
    """ISO 639 code."""
    verdicts: dict[str, Verdict] = Field(default_factory=dict)
    """By filter."""

    @property
    def is_kept(self) -> bool:
        """Whether no filter dropped it."""
        return all(verdict.kept for verdict in self.verdicts.values())

    @property
    def key(self) -> tuple[str, int]:
        """What tells it from every other document."""
        return self.source, self.offset

    def with_verdicts(self, verdicts: dict[str, Verdict]) -> "Document":
        """The document with further verdicts."""
        return self.model_copy(update={"verdicts": {**self.verdicts, **verdicts}})


class ShardWriter:
    """Writes one shard; `num_documents` counts. Left by an exception, no shard comes to be."""

    def __init__(self, path: Path) -> None:
        self.num_documents = 0
        self._path = path
        self._aside = path.with_name(f".{path.name}.{os.getpid()}.writing")
        path.parent.mkdir(parents=True, exist_ok=True)
        for leftover in path.parent.glob(f".{path.name}.*.writing"):  # of one that was killed
            leftover.unlink(missing_ok=True)
        self._file = self._aside.open("wb")
        self._stream = zstandard.ZstdCompressor(level=LEVEL).stream_writer(
            cast(BinaryIO, self._file), closefd=False
        )

    def write(self, document: Document) -> None:
        """Append a document."""
        self._stream.write(document.model_dump_json(exclude_defaults=True).encode("utf-8") + b"\n")
        self.num_documents += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._stream.close()  # type: ignore[no-untyped-call]
                self._file.flush()
                os.fsync(self._file.fileno())
                self._file.close()
                self._aside.replace(self._path)
                sync_folder(self._path.parent)
        finally:
            self._file.close()
            self._aside.unlink(missing_ok=True)


def read_shard(path: Path) -> Iterator[Document]:
    """The documents of a shard. Raises ProgramError where it is damaged or holds something else."""
    number = 0
    try:
        for line in shard_lines(path):
            number += 1
            yield Document.model_validate_json(line)
    except (zstandard.ZstdError, EOFError, ValidationError) as error:
        raise ProgramError(
            f"{path} is damaged near line {max(1, number)}: make the shard again from its source."
        ) from error


def shard_lines(path: Path) -> Iterator[bytes]:
    """The lines of a shard. Raises EOFError where it was cut off, which Zstandard's reader passes over."""
    reader = zstandard.ZstdDecompressor().decompressobj()
    rest = b""
    with path.open("rb") as file:
        while not reader.eof:
            piece = file.read(READ_BYTES)
            if not piece:
                raise EOFError(path)
            *lines, rest = (rest + reader.decompress(piece)).split(b"\n")
            yield from lines
    if rest or reader.unused_data:
        raise EOFError(path)


def shard_paths(folder: Path) -> list[Path]:
    """The shards of a folder by name. Raises ProgramError where there are none."""
    found = sorted(path for path in folder.glob(f"*{ENDING}") if not path.name.startswith("."))
    if not found:
        raise ProgramError(f"There are no documents in {folder}: give a folder of {ENDING} shards.")
    return found
