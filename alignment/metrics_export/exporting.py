"""Exports a program's metrics to where the site's operator wants them, from where the last export ended."""

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection

from accounts.errors import AccordError
from alignment.metrics_export.rows import Row, rows_since
from alignment.metrics_export.tensorboard import events_append
from alignment.metrics_export.trackers import Mlflow, Tracker, WeightsAndBiases
from alignment.models import Program
from pretrain.run import RunFolder, write_atomically

logger = logging.getLogger(__name__)

LOCK_SPACE = 0x4D455452
FOLDER = "tensorboard"
EVENTS = "events.out.tfevents.0.accord"
POSITION = "position.json"


def trackers_configured() -> list[Tracker]:
    """MLflow and Weights & Biases, as far as the environment names them."""
    found: list[Tracker] = []
    if settings.ACCORD_MLFLOW_URI:
        found.append(Mlflow(uri=settings.ACCORD_MLFLOW_URI))
    if settings.ACCORD_WANDB_PROJECT:
        found.append(
            WeightsAndBiases(project=settings.ACCORD_WANDB_PROJECT, folder=settings.ACCORD_VAR / "wandb")
        )
    return found


def program_export(program: Program) -> None:
    """Export what is new of a program to everything that is configured, unless somebody is at it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [LOCK_SPACE, program.pk])
        if not cursor.fetchone()[0]:
            return
        try:
            metrics_export(program, trackers_configured())
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [LOCK_SPACE, program.pk])


def metrics_export(program: Program, trackers: Sequence[Tracker]) -> int:
    """Export what is new of a program; how many rows TensorBoard got.

    Trouble with one tracker is logged and holds up nothing: the next export tries the same rows again.
    """
    folder = RunFolder(Path(program.folder))
    count = tensorboard_export(folder)
    for tracker in trackers:
        try:
            tracker_export(folder, tracker, run=str(program), tags=tags_of(program))
        except AccordError as error:
            logger.warning("%s: %s", program, error)
        except Exception:  # whatever a client of others raises: no concern of the round's
            logger.exception("The metrics of %s did not reach %s; trying again later", program, tracker.name)
    return count


def tensorboard_export(folder: RunFolder) -> int:
    """Bring `tensorboard/` in the run folder up to date; how many rows were new."""
    place = folder.path / FOLDER
    position = _position(place / POSITION)
    rows, offset = rows_since(folder.metrics_path, position.get("offset", 0))
    if rows:
        size = events_append(place / EVENTS, rows, size=position.get("size", 0))
        write_atomically(place / POSITION, json.dumps({"offset": offset, "size": size}))
    return len(rows)


def tracker_export(folder: RunFolder, tracker: Tracker, *, run: str, tags: dict[str, str]) -> None:
    """Log what is new to the tracker. A crash before the position is kept logs the last rows again."""
    path = folder.path / f"{tracker.name}.json"
    position = _position(path)
    rows, offset = rows_since(folder.metrics_path, position.get("offset", 0))
    wanted: list[Row] = [row for row in rows if row.values]
    if wanted:
        key = tracker.log(run, position.get("run", ""), tags, wanted)
        write_atomically(path, json.dumps({"offset": offset, "run": key}))


def tags_of(program: Program) -> dict[str, str]:
    """What is known of a run besides its numbers."""
    told = {"program": program.name, "module": program.module, "folder": program.folder}
    if program.stage is None:  # a comparison of models
        return told
    round_ = program.stage.round
    of_round = {"project": round_.project.slug, "round": str(round_.number), "stage": program.stage.name}
    return of_round | told


def _position(path: Path) -> dict[str, Any]:  # Any: JSON
    if not path.exists():
        return {}
    position: dict[str, Any] = json.loads(path.read_text())
    return position
