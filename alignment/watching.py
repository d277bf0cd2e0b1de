"""Watches what nobody looks at: rounds that make no progress, and the disk. Admins are told once of each."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from alignment.models import Program, Round, Stage
from webhooks.events import Event
from webhooks.models import Delivery
from webhooks.services import emit

STUCK_AFTER = timedelta(minutes=15)
DISK_LOW_SHARE = 0.1
TOLD_FOR = timedelta(days=1)
"""How long after telling it the same is not told again."""
LOCK = 0x57415443


def watch_rounds_and_disk(*, now: datetime | None = None) -> None:
    """Look once; two at a time would tell everything twice."""
    now = now or timezone.now()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
        if not cursor.fetchone()[0]:
            return
        for stage in stuck_stages(now):
            told = {
                "project": stage.round.project.slug,
                "round": stage.round_id,
                "number": stage.round.number,
            }
            _tell_once(
                Event.ROUND_STUCK, {**told, "stage": stage.name}, project=stage.round.project_id, now=now
            )
        disk = shutil.disk_usage(settings.ACCORD_VAR)
        if disk.free < DISK_LOW_SHARE * disk.total:
            told = {"free_gib": disk.free >> 30, "free_percent": 100 * disk.free // disk.total}
            _tell_once(Event.DISK_LOW, told, project=None, now=now)


def stuck_stages(now: datetime) -> list[Stage]:
    """Running stages none of whose programs has written anything, or been begun, for `STUCK_AFTER`."""
    running = Stage.objects.filter(
        state=Stage.State.RUNNING, round__state=Round.State.RUNNING, started_at__lt=now - STUCK_AFTER
    )
    found = running.select_related("round__project").prefetch_related("programs").order_by("pk")
    return [stage for stage in found if _last_sign(stage) < now - STUCK_AFTER]


def _last_sign(stage: Stage) -> datetime:
    """When something of the stage last moved: a program's file grew, one ended, or the stage began."""
    assert stage.started_at is not None, stage
    signs = [stage.started_at]
    for program in stage.programs.all():
        if program.finished_at is not None:
            signs.append(program.finished_at)
        if program.state == Program.State.RUNNING:
            signs += [
                datetime.fromtimestamp(path.stat().st_mtime, UTC)
                for path in (Path(program.folder) / name for name in ("metrics.jsonl", "log.txt"))
                if path.exists()
            ]
    return max(signs)


def _tell_once(event: Event, told: dict[str, object], *, project: int | None, now: datetime) -> None:
    about = {f"body__data__{name}": told[name] for name in ("round", "stage") if name in told}
    recent = Delivery.objects.filter(event=event.value, created_at__gt=now - TOLD_FOR, **about)
    if not recent.exists():
        emit(event, told, project=project)
