"""What an export holds and how to know it again: counts, size and hash, written beside the file."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from annotation.exporting.encoding import encoded
from annotation.exporting.rows import Row, rows_of
from annotation.filters import PreferenceFilter
from annotation.records import PreferenceRecord

SCHEMA_VERSION = 1
"""Of the rows: it grows when a field changes its meaning."""
ENDING = ".manifest.json"


class ExportedFile(BaseModel):
    """One file's name, size and hash."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    bytes: int
    sha256: str


class Manifest(BaseModel):
    """An export as a whole. Counts by round, domain and strength are of judgements."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    accord: str
    """The version that wrote it."""
    schema_version: int
    project: str
    format: str
    encoding: str
    filter: PreferenceFilter
    judgements: int
    rows: int
    files: tuple[ExportedFile, ...]
    by_round: Mapping[str, int]
    by_domain: Mapping[str, int]
    by_strength: Mapping[str, int]

    def as_text(self) -> str:
        """JSON for people and programs; of equal exports equal."""
        shown = {**self.model_dump(mode="json"), "filter": self.filter.as_json()}
        return json.dumps(shown, ensure_ascii=False, indent=1) + "\n"


class Export:
    """Records on their way into one or more files, counted and hashed as they pass.

    `pieces` gives a file's bytes; once all are read, `manifest` tells about them.
    """

    def __init__(
        self, *, project: str, version: str, format_: str, encoding: str, chosen: PreferenceFilter
    ) -> None:
        self.encoding = encoding
        self._about = {"accord": version, "project": project, "format": format_, "encoding": encoding}
        self._filter = chosen
        self._files: list[ExportedFile] = []
        self._rows = 0
        self._by_round: Counter[int] = Counter()
        self._by_domain: Counter[str] = Counter()
        self._by_strength: Counter[str] = Counter()

    def pieces(self, name: str, records: Iterable[PreferenceRecord]) -> Iterator[bytes]:
        """The bytes of the file `name`, which holds these records."""
        digest, size = hashlib.sha256(), 0
        for piece in encoded(
            self._counted(records), format_=self._about["format"], encoding=self._about["encoding"]
        ):
            digest.update(piece)
            size += len(piece)
            yield piece
        self._files.append(ExportedFile(name=name, bytes=size, sha256=digest.hexdigest()))

    def manifest(self) -> Manifest:
        """What has passed so far."""
        return Manifest(
            **self._about,
            schema_version=SCHEMA_VERSION,
            filter=self._filter,
            judgements=self._by_strength.total(),
            rows=self._rows,
            files=tuple(self._files),
            by_round={str(number): count for number, count in sorted(self._by_round.items())},
            by_domain=dict(sorted(self._by_domain.items())),
            by_strength=dict(sorted(self._by_strength.items())),
        )

    def _counted(self, records: Iterable[PreferenceRecord]) -> Iterator[Row]:
        for record in records:
            self._by_round[record.round] += 1
            self._by_domain[record.domain] += 1
            self._by_strength[record.strength.value] += 1
            for row in rows_of(record, self._about["format"]):
                self._rows += 1
                yield row


def read_manifest(path: Path) -> Manifest:
    """The manifest of a file. Raises ValueError with a sentence, OSError where it cannot be opened."""
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path.name} is no manifest of an export.") from error


def problems(manifest: Manifest, folder: Path, num_rows: Callable[[Path], int]) -> list[str]:
    """What differs between the manifest and the files in `folder`: sentences, none where all is as it was.

    `num_rows` counts the rows of a file.
    """
    found = []
    rows = 0
    for file in manifest.files:
        path = folder / file.name
        if not path.resolve().is_relative_to(folder.resolve()):
            found.append(f"{file.name} lies outside the folder of its manifest.")
            continue
        if not path.is_file():
            found.append(f"{file.name} is missing.")
            continue
        size = path.stat().st_size
        if size != file.bytes:
            found.append(f"{file.name} has {size} bytes, not {file.bytes}: copy or export it again.")
        elif _digest(path) != file.sha256:
            found.append(f"{file.name} has changed since it was written: its SHA-256 is another one.")
        else:
            rows += num_rows(path)
    if not found and rows != manifest.rows:
        found.append(f"The files have {rows} rows, not {manifest.rows}.")
    return found


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def about(manifest: Manifest) -> dict[str, Any]:  # Any: JSON
    """The manifest in a line of the audit log."""
    return {
        "format": manifest.format,
        "filter": manifest.filter.as_json(),
        "judgements": manifest.judgements,
        "sha256": [file.sha256 for file in manifest.files],
    }
