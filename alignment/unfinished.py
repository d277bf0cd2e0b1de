"""A program goes on where an earlier one with the same fingerprint was stopped: cancelled, failed, retried.

A retried stage, or a round run again, plans its programs anew, in new run folders. What the old ones hold is
found by the fingerprint that is written into each folder before its program first starts: checkpoints,
metrics, and outputs that are written piece by piece. They are taken over as if the program had been stopped
in its new folder, so the result is the same to the last byte (docs/rounds-that-fail.md).
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from alignment.models import Program, Stage
from alignment.stages.plan import stage_folder
from alignment.taking import remove, take
from pretrain.run import CHECKPOINTS, RunFolder, write_atomically

MARK = "fingerprint"
"""The file in a run folder that says what its program computes."""
NUM_TRIED = 5
"""Unfinished programs of other stages whose folders are looked at."""
ENDED_EARLY = (Program.State.CANCELLED, Program.State.FAILED)
ATTEMPT = re.compile(r"attempt-(\d+)")


def unfinished_continue(stage: Stage, program: Program) -> None:
    """Before a program starts in its folder for the first time: put there what an earlier one left.

    What cannot be taken over is computed again. Raises OSError where nothing can be written at all.
    """
    folder = Path(program.folder)
    mark = folder / MARK
    if not program.fingerprint or mark.exists():
        return
    own = _earlier_attempts(stage, folder)
    for source in (*own, *_elsewhere(stage, program)):
        if _is_of(source, program.fingerprint) and _take_over(source, program):
            break
    write_atomically(mark, program.fingerprint)
    for earlier in own:  # theirs would only fill the disk
        for checkpoint in earlier.glob(CHECKPOINTS):
            remove(checkpoint)


def _earlier_attempts(stage: Stage, folder: Path) -> list[Path]:
    """The program's run folders in earlier attempts of its stage, newest first."""
    now = stage_folder(stage)
    numbers = [int(match[1]) for path in now.parent.iterdir() if (match := ATTEMPT.fullmatch(path.name))]
    earlier = sorted((number for number in numbers if number < stage.attempt), reverse=True)
    return [now.with_name(f"attempt-{number}") / folder.relative_to(now) for number in earlier]


def _elsewhere(stage: Stage, program: Program) -> Iterator[Path]:
    """Run folders of such programs of other stages, as of a cancelled round; none for what is to be fresh."""
    if stage.is_fresh:
        return
    ended = Program.objects.filter(fingerprint=program.fingerprint, state__in=ENDED_EARLY)
    for other in ended.filter(lease_expires_at=None).exclude(stage=stage).order_by("-pk")[:NUM_TRIED]:
        yield Path(other.folder)


def _is_of(source: Path, fingerprint: str) -> bool:
    """Whether an unfinished program with this fingerprint has worked in the folder."""
    try:
        same = (source / MARK).read_text() == fingerprint
    except OSError:
        return False
    return same and not RunFolder(source).result_path.exists()


def _take_over(source: Path, program: Program) -> bool:
    """Take what is there; whether there was anything and all went well."""
    folder = RunFolder(Path(program.folder))
    left = [(path, folder.path / path.name) for path in sorted(source.glob(CHECKPOINTS))]
    final = {path for path, _ in left}
    for output in map(Path, program.plan["outputs"].values()):
        left.append((source / os.path.relpath(output, folder.path), output))
    left.append((RunFolder(source).metrics_path, folder.metrics_path))
    left = [(path, target) for path, target in left if path.exists()]
    try:
        for path, target in left:
            take(path, target, is_final=path in final)
    except OSError:
        for _, target in left:
            remove(target)
        return False
    return bool(left)
