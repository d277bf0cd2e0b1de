"""Files that nothing refers to, and those that a rule of retention lets go: found, listed with why, deleted.

Only folders of kinds that are known are looked at; everything else is left alone. A folder is garbage where
no row names it, anything in it, or anything above it; where nothing in it was touched for a day, for a
program's folder is there before its row is; and where its round is neither running nor paused.

What is to go is first renamed, then looked up once more, and put back where something refers to it by then.
A collector that is killed leaves renamed folders, which the next one looks up in the same way.
"""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.utils import timezone

from accounts.errors import Conflict
from accounts.services import audit_record_named
from alignment.models import Round, SpeedTrial, Stage
from alignment.stages.plan import stage_folder
from annotation.models import ImportJob
from upkeep.backing_up import LOCK
from upkeep.measuring import files_below
from upkeep.referred import paths_in_use, referred_paths
from upkeep.retention import Retention, released

LEAST_AGE = timedelta(days=1)
GRACE_SECONDS = 5.0
"""Between renaming and deleting: longer than anybody takes from finding a folder to naming it in a row."""
ASIDE = ".garbage-"
UNITS = (
    ("checkpoints", "*", "a model's folder that no row names"),
    ("runs", "*/round-*/*/attempt-*", "a stage's earlier attempt, or one of a round that is gone"),
    ("runs", "*/predicted/*", "predictions that no row names"),
    ("runs", "*/compared/*", "a comparison of models that no row names"),
    ("runs", "speed-trials/*", "a timed trial that no row names"),
    ("imports", "*", "an uploaded file that was read"),
)
"""What may be garbage, as patterns below the var folder, and what it is then."""


@dataclass(frozen=True, kw_only=True)
class Doomed:
    """A file or folder that may go."""

    path: Path
    num_bytes: int
    why: str
    is_released: bool
    """By a rule of retention, though a row names it."""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A folder of such a kind that stays."""

    path: Path
    why: str


@dataclass(frozen=True, kw_only=True)
class Garbage:
    """What a look at everything found."""

    doomed: list[Doomed]
    kept: list[Kept]

    @property
    def num_bytes(self) -> int:
        """Of all that may go."""
        return sum(each.num_bytes for each in self.doomed)


class References:
    """What rows name, to ask of a file or folder whether it must stay."""

    def __init__(self, named: dict[Path, str]) -> None:
        self._named = named
        self._above: dict[Path, str] = {}
        for path, row in named.items():
            for folder in (path, *path.parents):
                self._above.setdefault(folder, row)

    def of(self, path: Path) -> str | None:
        """The row that names the path, something in it or something above it; None where none does."""
        if path in self._above:
            return self._above[path]
        return next((self._named[folder] for folder in path.parents if folder in self._named), None)


def references() -> References:
    """What any row names."""
    named = referred_paths()
    for stage in Stage.objects.filter(attempt__gt=0).select_related("round__project"):
        named.setdefault(stage_folder(stage), f"stage {stage}")
    runs: Path = settings.ACCORD_RUNS
    for key in SpeedTrial.objects.values_list("key", flat=True):
        named.setdefault(runs / "speed-trials" / key, "a timed trial")
    waiting = ImportJob.objects.filter(state__in=[ImportJob.State.WAITING, ImportJob.State.RUNNING])
    for pk in waiting.values_list("pk", flat=True):
        named.setdefault(settings.ACCORD_VAR / "imports" / str(pk), f"import {pk}")
    under_way = Round.objects.filter(state__in=[Round.State.RUNNING, Round.State.PAUSED])
    for round_ in under_way.select_related("project"):
        folder = stage_folder(Stage(round=round_, name="any")).parent.parent
        named.setdefault(folder, f"{round_}, which is under way")
    return References(named)


def garbage_find(
    rules: Retention, *, now: datetime | None = None, least_age: timedelta = LEAST_AGE
) -> Garbage:
    """Look at everything; nothing is changed."""
    now = now or timezone.now()
    named, in_use = references(), References(paths_in_use())
    doomed: dict[Path, Doomed] = {}
    kept: list[Kept] = []
    for path, what in _units():
        row = named.of(path)
        if row is not None:
            kept.append(Kept(path=path, why=f"{row} names it"))
        elif now.timestamp() - _touched(path) < least_age.total_seconds():
            kept.append(Kept(path=path, why="it was touched lately"))
        else:
            doomed[path] = Doomed(path=path, num_bytes=_size(path), why=what, is_released=False)
    for each in released(rules, now):
        is_doomed = any(folder in doomed for folder in (each.path, *each.path.parents))
        if not is_doomed and in_use.of(each.path) is None:
            doomed[each.path] = Doomed(
                path=each.path, num_bytes=_size(each.path), why=each.why, is_released=True
            )
    return Garbage(doomed=list(doomed.values()), kept=kept)


def garbage_collect(
    rules: Retention, *, least_age: timedelta = LEAST_AGE, grace_seconds: float = GRACE_SECONDS
) -> Garbage:
    """Find and delete; what has gone. Raises Conflict while a backup is made or another collects."""
    with _alone():
        _leftovers_end()
        found = garbage_find(rules, least_age=least_age)
        renamed = [(each, aside) for each in found.doomed if (aside := _put_aside(each.path)) is not None]
        if renamed:
            pause(grace_seconds)
        named, in_use = references(), References(paths_in_use())
        gone: list[Doomed] = []
        for each, aside in renamed:
            if (in_use if each.is_released else named).of(each.path) is not None:
                _put_back(aside, each.path)
                continue
            _delete(aside)
            gone.append(each)
        if gone:
            data = {"files": [str(each.path) for each in gone[:100]], "num": len(gone)}
            audit_record_named(None, "garbage.collect", ("disk", ""), data)
    return Garbage(doomed=gone, kept=found.kept)


def pause(seconds: float) -> None:
    """Let those who found a folder name it in a row."""
    time.sleep(seconds)


def _units() -> Iterator[tuple[Path, str]]:
    var: Path = settings.ACCORD_VAR
    for top, pattern, what in UNITS:
        for path in sorted((var / top).glob(pattern)):
            if not path.name.startswith(".") and not path.is_symlink():
                yield path, what


def _touched(path: Path) -> float:
    """When anything of it last changed; seconds since the epoch."""
    moments = [path.stat().st_mtime]
    if path.is_dir():
        for each in path.rglob("*"):
            try:
                moments.append(each.lstat().st_mtime)
            except FileNotFoundError:
                moments.append(time.time())  # somebody is at work there
    return max(moments)


def _size(path: Path) -> int:
    files = files_below(path) if path.is_dir() else iter([path])
    return sum(each.stat().st_blocks * 512 for each in files)


def _put_aside(path: Path) -> Path | None:
    """Its new name; None where it is gone."""
    aside = path.with_name(f"{ASIDE}{path.name}")
    try:
        path.rename(aside)
    except FileNotFoundError:
        return None
    return aside


def _put_back(aside: Path, path: Path) -> None:
    """Unless somebody has made it anew meanwhile."""
    if path.exists():
        _delete(aside)
    else:
        aside.rename(path)


def _delete(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _leftovers_end() -> None:
    """Look up what a killed collector had renamed."""
    named = references()
    var: Path = settings.ACCORD_VAR
    for top in ("checkpoints", "runs", "imports"):
        for aside in sorted((var / top).rglob(f"{ASIDE}*")):
            path = aside.with_name(aside.name.removeprefix(ASIDE))
            if named.of(path) is not None:
                _put_back(aside, path)
            else:
                _delete(aside)


@contextmanager
def _alone() -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
        if not cursor.fetchone()[0]:
            raise Conflict("A backup is being made, or garbage collected already: wait for its end.")
        try:
            yield
        finally:
            with connection.cursor() as again:
                again.execute("SELECT pg_advisory_unlock(%s)", [LOCK])
