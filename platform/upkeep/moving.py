"""Where a site's folders moved, what names them: paths in rows, and in the run folders' own files."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.db import models, transaction

from alignment.models import Artifact, Content, Program, Snapshot, SpeedTrial, Stage
from pretrain.run import write_atomically
from registry.models import Checkpoint
from reviewing.models import DocumentReview

COLUMNS: tuple[tuple[type[models.Model], tuple[str, ...]], ...] = (
    (Checkpoint, ("path", "metrics")),
    (Snapshot, ("folder",)),
    (Program, ("folder", "plan", "result")),
    (Stage, ("result",)),
    (Artifact, ("folder", "outputs")),
    (Content, ("path",)),
    (SpeedTrial, ("result",)),
    (DocumentReview, ("folder", "run")),
)
"""What may name a path; recipes name none of a machine's."""
FILES = ("run.json", "result.json")

Moves = Mapping[str, str]
"""Absolute paths of folders: from, to."""


def rows_move(moves: Moves) -> int:
    """Put the new paths into all rows that name one of the old; how many rows."""
    num = 0
    with transaction.atomic():
        for model, names in COLUMNS:
            for row in model._default_manager.only("pk", *names).iterator():
                values = {name: getattr(row, name) for name in names}
                moved = {name: moved_value(value, moves) for name, value in values.items()}
                if moved != values:
                    model._default_manager.filter(pk=row.pk).update(**moved)
                    num += 1
    return num


def files_move(runs: Path, moves: Moves) -> int:
    """The same in what run folders say of themselves; how many files."""
    num = 0
    for name in FILES:
        for path in runs.rglob(name):
            told = json.loads(path.read_text())
            moved = moved_value(told, moves)
            if moved != told:
                write_atomically(path, json.dumps(moved, indent=2, ensure_ascii=False))
                num += 1
    return num


def moved_value(value: Any, moves: Moves) -> Any:  # Any: JSON
    """The JSON value, with every path in one of the old folders in its new one."""
    if isinstance(value, dict):
        return {moved_value(key, moves): moved_value(item, moves) for key, item in value.items()}
    if isinstance(value, list):
        return [moved_value(item, moves) for item in value]
    if isinstance(value, str):
        for old, new in moves.items():
            if value == old or value.startswith(f"{old}/"):
                return new + value[len(old) :]
    return value
