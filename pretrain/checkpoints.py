"""The checkpoints from which a killed training goes on: files that are whole, proved by their own names.

Comes in: what the loop wants kept (tensors and plain values) after a step. Goes out: the newest such content
that is undamaged. A file is named `checkpoint-STEP-HASH.pt` by the SHA-256 of what is in it; it is written
aside, brought to disk and renamed, so that it is complete or absent also after a power cut. The two newest
are kept: where the newest is damaged, training goes on from the one before. Of several processes the first
writes for all and finds the good one; the content is the same for any number of them.
"""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from pretrain.disk import free_bytes, require_space
from pretrain.processes import is_first, num_processes, summed
from pretrain.run import CHECKPOINTS, RunFolder, sync_folder

ASIDE = ".checkpoint.writing"
NUM_KEPT = 2
DIGITS = 32
"""Of the hash in a file's name."""
CHUNK_BYTES = 1 << 22
SMALL_BYTES = 1 << 20
"""More than what lies between the tensors of a file."""

Content = dict[str, Any]
"""Tensors and plain values, in nested dictionaries and lists."""


def checkpoints(folder: RunFolder) -> list[Path]:
    """The checkpoint files of a run folder, newest first."""
    return sorted(folder.path.glob(CHECKPOINTS), key=step_of, reverse=True)


def step_of(path: Path) -> int:
    """The number of steps done when the checkpoint was written."""
    return int(path.stem.split("-")[1])


def require_checkpoint_space(folder: RunFolder, weights: Content, trained: list[Tensor]) -> None:
    """Raise ProgramError unless the disk has room for the checkpoints of a training that begins.

    Each will hold `weights` and the optimizer's two moments of those that are `trained`.
    """
    missing = NUM_KEPT - len(checkpoints(folder))
    if missing > 0 and is_first():
        needed = missing * (num_bytes(weights) + 2 * num_bytes(trained))
        require_space(folder.path, needed, "this training with its checkpoints")


def write_checkpoint(folder: RunFolder, step: int, content: Content) -> None:
    """Keep `content` after `step` steps, and no more than one older one. Only the first process writes.

    Raises ProgramError where the disk has no room for it.
    """
    if not is_first():
        return
    needed = num_bytes(content) + SMALL_BYTES
    older = checkpoints(folder)
    if free_bytes(folder.path) < needed:
        prune(older, keep=1)
    require_space(folder.path, needed, f"the checkpoint after step {step}")
    aside = folder.path / ASIDE
    try:
        with aside.open("wb") as file:
            out = HashingFile(file)
            try:
                torch.save(content, out)
            except RuntimeError as error:
                # torch tells of a write that failed in words of its own.
                raise out.failure or error from error
            file.flush()
            os.fsync(file.fileno())
        aside.rename(folder.path / f"checkpoint-{step:08}-{out.hexdigest()}.pt")
    finally:
        aside.unlink(missing_ok=True)
    sync_folder(folder.path)
    prune(checkpoints(folder), keep=NUM_KEPT)


def read_checkpoint(folder: RunFolder) -> tuple[Path, Content] | None:
    """The newest undamaged checkpoint and what it holds; None where there is none.

    A damaged one is removed, and the metrics and the log say so.
    """
    found = checkpoints(folder)
    # All processes must go on from the same one, and one reading of each file is enough.
    place = int(summed({"place": float(first_whole(found)) if is_first() else 0.0})["place"])
    if is_first():
        for damaged in found[:place]:
            then = f"from step {step_of(found[place])}" if place < len(found) else "anew"
            folder.warn(
                f"The checkpoint {damaged} is damaged and was removed: training goes on {then}. Look after "
                "the disk where this happens again."
            )
            damaged.unlink()
    if place == len(found):
        return None
    # Several processes each take their parts out of the file, and none needs it whole in memory.
    content = torch.load(found[place], map_location="cpu", weights_only=True, mmap=num_processes() > 1)
    return found[place], content


def discard_checkpoints(folder: RunFolder) -> None:
    """Remove all checkpoints: for a program whose outputs are complete."""
    prune(checkpoints(folder), keep=0)


def prune(newest_first: list[Path], *, keep: int) -> None:
    """Remove all but the `keep` newest."""
    for path in newest_first[keep:]:
        path.unlink(missing_ok=True)


def first_whole(paths: list[Path]) -> int:
    """The place of the first file whose content has the hash in its name; their number where none has."""
    for place, path in enumerate(paths):
        if digest_of(path) == path.stem.split("-")[-1]:
            return place
    return len(paths)


def digest_of(path: Path) -> str:
    """The hash of a file's content as it stands in a name."""
    digest = hashlib.sha256()
    with path.open("rb") as content:
        while chunk := content.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()[:DIGITS]


class HashingFile:
    """A file that hashes what is written to it and remembers why a write failed."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self.failure: OSError | None = None

    def write(self, data: bytes) -> int:
        """Write all of `data`."""
        try:
            written = self._file.write(data)
        except OSError as error:
            error.filename = error.filename or self._file.name
            self.failure = error
            raise
        self._digest.update(data)
        return written

    def flush(self) -> None:
        """Hand what was written to the system."""
        self._file.flush()

    def hexdigest(self) -> str:
        """The hash of all that was written, as it stands in a name."""
        return self._digest.hexdigest()[:DIGITS]


def num_bytes(content: Any) -> int:  # Any: nested content
    """The size of all tensors in `content`; of sharded ones the whole."""
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors_in(content))


def tensors_in(content: Any) -> Iterator[Tensor]:  # Any: nested content
    """Every tensor in nested dictionaries and lists."""
    if isinstance(content, Tensor):
        yield content
    elif isinstance(content, dict):
        for value in content.values():
            yield from tensors_in(value)
    elif isinstance(content, list | tuple):
        for value in content:
            yield from tensors_in(value)
