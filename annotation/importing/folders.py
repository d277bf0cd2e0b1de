"""Folders of the Hugging Face `datasets` kind, read without that library.

Two layouts: what `save_to_disk` writes (Arrow shards named by `state.json`, several splits named by
`dataset_dict.json`), and what a hub repository holds (Parquet or JSON lines, the split in the file's name).
"""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from annotation.importing.refusal import Reason, Refusal, RowRefused

STATE = "state.json"
SPLITS = "dataset_dict.json"
DATA_ENDINGS = (".parquet", ".arrow", ".jsonl", ".jsonl.gz", ".ndjson", ".json", ".json.gz")
NO_DATA = {STATE, SPLITS, "dataset_info.json", "dataset_infos.json", "export.manifest.json"}
ALIASES = {"training": "train", "dev": "validation", "val": "validation", "valid": "validation"}
KNOWN_SPLITS = ("train", "validation", "test", *ALIASES)
MAX_STATE_BYTES = 64 * 1024 * 1024


def dataset_files(folder: Path, splits: Sequence[str] = ()) -> Iterator[Path | Refusal]:
    """The data files of the folder in order, of all splits or of these; a refusal for what leads astray."""
    try:
        if (folder / SPLITS).is_file():
            names = _read_object(folder / SPLITS).get("splits")
            if not isinstance(names, list):
                raise RowRefused(Reason.WRONG_FILE, f"{SPLITS} names no splits")
            for name in (str(name) for name in names):
                if not splits or name in splits:
                    yield from _saved_files(folder, _inside(folder, folder, name))
            return
        if (folder / STATE).is_file():
            yield from _saved_files(folder, folder)
            return
    except RowRefused as refused:
        yield Refusal(line=0, reason=refused.reason, detail=refused.detail)
        return
    yield from _hub_files(folder, splits)


def split_of(path: Path, folder: Path) -> str | None:
    """The split that a hub-style file's name, or its folder's, speaks of; None where neither does."""
    parts = path.relative_to(folder).parts
    for part in reversed(parts):
        for word in re.split(r"[-_. ]+", part.lower()):
            if word in KNOWN_SPLITS:
                return ALIASES.get(word, word)
    return None


def _saved_files(root: Path, folder: Path) -> Iterator[Path]:
    """The shards that a saved dataset's state names, in its order. Raises RowRefused."""
    state = _read_object(folder / STATE)
    if state.get("_indices_data_files"):
        raise RowRefused(
            Reason.WRONG_FILE,
            f"{folder.name} was saved with an index of its rows: save it again with a newer datasets library",
        )
    files = state.get("_data_files")
    if not isinstance(files, list):
        raise RowRefused(Reason.WRONG_FILE, f"{STATE} of {folder.name} names no data files")
    for file in files:
        yield _inside(root, folder, str(file.get("filename") if isinstance(file, dict) else file))


def _hub_files(folder: Path, splits: Sequence[str]) -> Iterator[Path | Refusal]:
    wanted = {ALIASES.get(split, split) for split in splits}
    found = [
        path
        for path in sorted(folder.rglob("*"))
        if path.name.lower().endswith(DATA_ENDINGS)
        and path.name not in NO_DATA
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.is_file()
        and (not wanted or (split_of(path, folder) or "train") in wanted)
    ]
    if not found:
        named = f" of the split {' or '.join(splits)}" if splits else ""
        yield Refusal(
            line=0,
            reason=Reason.WRONG_FILE,
            detail=f"{folder.name} holds no Parquet, Arrow or JSON lines{named}",
        )
    yield from found


def _inside(root: Path, folder: Path, name: str) -> Path:
    """The path of `name` in the folder. Raises RowRefused where it leads out of the dataset."""
    path = folder / name
    if not path.resolve().is_relative_to(root.resolve()):
        raise RowRefused(Reason.WRONG_FILE, f"{name[:100]} lies outside the folder")
    if not path.exists():
        raise RowRefused(Reason.CUT_OFF, f"{name[:100]} is missing")
    return path


def _read_object(path: Path) -> dict[str, Any]:  # Any: JSON of someone else
    try:
        if path.stat().st_size > MAX_STATE_BYTES:
            raise RowRefused(Reason.TOO_LARGE, path.name)
        value = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise RowRefused(Reason.CUT_OFF, f"{path.name} cannot be read") from error
    if not isinstance(value, dict):
        raise RowRefused(Reason.WRONG_FILE, f"{path.name} is no JSON object")
    return value
