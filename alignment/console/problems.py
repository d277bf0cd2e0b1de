"""What an admin should know of a round before anything else on its page, in sentences that say what to do."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext as _

from alignment.models import Program, Round, Stage
from alignment.running import LEASE

SILENT_AFTER = timedelta(seconds=10)
"""Workers say every second that a program lives."""
UNTAKEN_AFTER = timedelta(seconds=15)
IDLE_AFTER = timedelta(minutes=10)
"""Loading a large model takes minutes without a word."""
NAMED = 3
"""Programs that a sentence names; the others it counts."""
DISK_SHARE, DISK_BYTES = 0.05, 2 * 2**30
"""Below either the disk is nearly full."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that is wrong, or soon will be."""

    level: str
    """"warn" or "error"."""
    title: str
    text: str
    program: Program | None = None


def heard_at(program: Program) -> datetime | None:
    """When the worker of a running program last said that it lives."""
    if program.state != Program.State.RUNNING or program.lease_expires_at is None:
        return None
    return program.lease_expires_at - LEASE


def problems(round_: Round, stages: Sequence[Stage], now: datetime) -> list[Problem]:
    """What is wrong with a round that is under way; failures and waiting gates have their own place."""
    if round_.state != Round.State.RUNNING:
        return []
    programs = [program for stage in stages for program in stage.programs.all()]
    return [*_silent(programs, now), *_idle(programs, now), *_untaken(stages, now), *_disk()]


def program_problems(program: Program, now: datetime) -> list[Problem]:
    """What is wrong with one program that runs."""
    return [*_silent([program], now), *_idle([program], now)]


def _silent(programs: Sequence[Program], now: datetime) -> Iterator[Problem]:
    """All in one: a worker that was killed ran several."""
    heard = {program: moment for program in programs if (moment := heard_at(program)) is not None}
    silent = [program for program, moment in heard.items() if now - moment >= SILENT_AFTER]
    if not silent:
        return
    latest = max(heard[program] for program in silent)
    names = ", ".join(program.name for program in silent[:NAMED])
    if len(silent) > NAMED:
        names = _("%(names)s and %(number)s more") % {"names": names, "number": len(silent) - NAMED}
    yield Problem(
        level="error",
        title=_("No sign of life from %(name)s") % {"name": names},
        text=_(
            "The worker said nothing for %(silent)s s: it was stopped, or lost the database. Another takes "
            "over in %(left)s s and goes on from the last checkpoint."
        )
        % {
            "silent": round((now - latest).total_seconds()),
            "left": max(0, round((latest + LEASE - now).total_seconds())),
        },
        program=silent[0],
    )


def _idle(programs: Sequence[Program], now: datetime) -> Iterator[Problem]:
    for program in programs:
        told = program.progressed_at or program.started_at
        if program.state == Program.State.RUNNING and told is not None and now - told > IDLE_AFTER:
            yield Problem(
                level="warn",
                title=_("%(name)s makes no progress") % {"name": program.name},
                text=_("It runs and has reported nothing for %(minutes)s minutes. Its log may say why.")
                % {"minutes": round((now - told) / timedelta(minutes=1))},
                program=program,
            )


def _untaken(stages: Sequence[Stage], now: datetime) -> Iterator[Problem]:
    """Queues whose programs nobody takes: one busy with another round's program is not among them."""
    for stage in stages:
        programs = list(stage.programs.all())
        waiting = {each.queue for each in programs if each.state == Program.State.QUEUED}
        for queue in sorted(waiting):
            moments = [stage.started_at, *(each.finished_at for each in programs)]
            latest = max((moment for moment in moments if moment is not None), default=now)
            if now - latest < UNTAKEN_AFTER or _is_worked_on(queue, now):
                continue
            yield Problem(
                level="error",
                title=_("No worker on the queue %(queue)s") % {"queue": queue},
                text=_(
                    "Programs have waited there for %(seconds)s s and nobody takes them. Start a worker: "
                    "celery -A accord worker --queues %(queue)s"
                )
                % {"queue": queue, "seconds": round((now - latest).total_seconds())},
            )


def _is_worked_on(queue: str, now: datetime) -> bool:
    return Program.objects.filter(
        queue=queue, state=Program.State.RUNNING, lease_expires_at__gt=now + LEASE - SILENT_AFTER
    ).exists()


def _disk() -> Iterator[Problem]:
    folder = Path(settings.ACCORD_RUNS)
    while not folder.exists():
        folder = folder.parent
    usage = shutil.disk_usage(folder)
    if usage.free < DISK_BYTES or usage.free < DISK_SHARE * usage.total:
        yield Problem(
            level="warn",
            title=_("The disk is nearly full"),
            text=_("%(free)s GiB are left where run folders lie. Make room: `manage.py retire_models` helps.")
            % {"free": f"{usage.free / 2**30:.1f}"},
        )
