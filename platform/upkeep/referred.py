"""Which files and folders the database refers to, and what must be in some of them."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alignment.models import Artifact, Program, Round, Snapshot, Stage
from registry.models import Checkpoint
from reviewing.models import DocumentReview

PURGED = ".purged"
"""What erasing leaves in the place of a file."""


@dataclass(frozen=True, kw_only=True)
class Proven:
    """A folder whose content the database knows by its hash."""

    path: Path
    what: str
    content_hash: str
    is_snapshot: bool


def proven_folders() -> list[Proven]:
    """Every registered checkpoint and every snapshot."""
    checkpoints = [
        Proven(path=Path(path), what=f"the model {name}", content_hash=content_hash, is_snapshot=False)
        for name, path, content_hash in Checkpoint.objects.values_list("name", "path", "content_hash")
    ]
    snapshots = [
        Proven(
            path=Path(snapshot.folder),
            what=f"the snapshot of {snapshot.round}",
            content_hash=snapshot.content_hash,
            is_snapshot=True,
        )
        for snapshot in Snapshot.objects.select_related("round__project")
    ]
    return [*checkpoints, *snapshots]


def content_hash_of(hashes: Mapping[str, str], *, is_snapshot: bool) -> str | None:
    """The content hash of a folder from its files' (by relative path), as its maker takes it.

    `registry.content.folder_hash` for checkpoints, `alignment.stages.snapshot` for snapshots; None where
    there is nothing to hash.
    """
    digest = hashlib.sha256()
    if is_snapshot:
        names = sorted(name for name in hashes if name.endswith(".jsonl") and "/" not in name)
        for name in names:
            digest.update(name.encode() + b"\0" + bytes.fromhex(hashes[name]))
    else:
        names = sorted(name for name in hashes if not any(part.startswith(".") for part in name.split("/")))
        for name in names:
            digest.update(f"{name}\0{hashes[name]}\n".encode())
    return digest.hexdigest() if names else None


def referred_paths() -> dict[Path, str]:
    """Every path that a row names, with the row: what must not go."""
    found: dict[Path, str] = {}
    for checkpoint in Checkpoint.objects.only("name", "path", "recipe", "metrics"):
        _note(found, f"model {checkpoint.name}", checkpoint.path, checkpoint.metrics)
    for snapshot in Snapshot.objects.select_related("round__project"):
        _note(found, f"snapshot of {snapshot.round}", snapshot.folder)
    for program in Program.objects.select_related("stage__round__project"):
        _note(found, f"program {program}", program.folder, program.plan, program.result)
    for stage in Stage.objects.select_related("round__project"):
        _note(found, f"stage {stage}", stage.result)
    for artifact in Artifact.objects.all():
        _note(found, f"artifact {artifact.pk}", artifact.folder, artifact.outputs)
    for review in DocumentReview.objects.all():
        _note(found, f"document review {review.pk}", review.folder, review.run)
    return found


def paths_in_use() -> dict[Path, str]:
    """Every path that a program names whose work is not over, or may be taken up again."""
    found: dict[Path, str] = {}
    over = [Round.State.FINISHED, Round.State.CANCELLED]
    in_rounds = Program.objects.filter(stage__isnull=False).exclude(stage__round__state__in=over)
    going = [Program.State.PENDING, Program.State.QUEUED, Program.State.RUNNING]
    alone = Program.objects.filter(stage=None, state__in=going)
    for program in (in_rounds | alone).select_related("stage__round__project"):
        _note(found, f"program {program}", program.folder, program.plan)
    return found


def _note(found: dict[Path, str], row: str, *values: Any) -> None:  # Any: JSON
    for text in _texts(values):
        if text.startswith("/"):
            found.setdefault(Path(text), row)


def _texts(value: Any) -> Iterator[str]:  # Any: JSON
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
