"""An export written to disk: a file with its manifest beside it, or a folder that `datasets` loads.

Written aside and renamed: what stands under its name is whole, or as it was.
"""

import itertools
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from annotation.exporting.manifest import ENDING, Export, Manifest
from annotation.records import PreferenceRecord

JUDGEMENTS_A_SHARD = 50_000
FOLDER_MANIFEST = "export.manifest.json"
CARD = """---
configs:
- config_name: default
  data_files:
  - split: train
    path: data/train-*.parquet
---
{judgements} judgements of the project {project}, exported by Accord {accord} in its `{format}` form.
"""

Progress = Callable[[int], None]


def write_file(
    path: Path, records: Iterable[PreferenceRecord], export: Export, *, progress: Progress | None = None
) -> Manifest:
    """Write one file; `progress` hears the bytes so far."""
    aside = path.with_name(f".{path.name}.writing")
    try:
        _write(aside, export.pieces(path.name, records), progress)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    return export.manifest()


def write_manifest(path: Path, manifest: Manifest) -> Path:
    """Write the manifest beside the file `path`; where it went."""
    beside = path.with_name(path.name + ENDING)
    beside.write_text(manifest.as_text(), encoding="utf-8")
    return beside


def write_folder(
    folder: Path, records: Iterable[PreferenceRecord], export: Export, *, progress: Progress | None = None
) -> Manifest:
    """Write Parquet shards, a card that names them, and the manifest.

    An earlier export in its place is replaced. Raises ValueError where something else stands there.
    """
    if (
        folder.exists()
        and not (folder / FOLDER_MANIFEST).is_file()
        and (not folder.is_dir() or any(folder.iterdir()))
    ):
        raise ValueError(f"{folder} is there and is no export: choose a new folder.")
    aside = folder.with_name(f".{folder.name}.writing")
    shutil.rmtree(aside, ignore_errors=True)
    try:
        (aside / "data").mkdir(parents=True)
        for number, shard in enumerate(_shards(iter(records))):
            name = f"data/train-{number:05}.parquet"
            _write(aside / name, export.pieces(name, shard), progress)
        manifest = export.manifest()
        (aside / FOLDER_MANIFEST).write_text(manifest.as_text(), encoding="utf-8")
        (aside / "README.md").write_text(CARD.format(**manifest.model_dump()), encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        aside.replace(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return manifest


def _shards(records: Iterator[PreferenceRecord]) -> Iterator[Iterator[PreferenceRecord]]:
    """The records, so many a shard; one shard, empty, where there are none."""
    first = True
    while (head := next(records, None)) is not None or first:
        first = False
        rest = itertools.islice(records, JUDGEMENTS_A_SHARD - 1)
        yield iter(()) if head is None else itertools.chain([head], rest)


def _write(path: Path, pieces: Iterable[bytes], progress: Progress | None) -> None:
    size = 0
    with path.open("wb") as out:
        for piece in pieces:
            out.write(piece)
            size += len(piece)
            if progress is not None:
                progress(size)
