"""How long models take for a person's pair, and how long that person really waits, by day."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from django.db import connection
from django.utils import timezone

from annotation.models import Project

NUM_DAYS = 30

WAITS = """
SELECT (shown_at AT TIME ZONE 'UTC')::date, count(*),
    percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY seconds),
    percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY waited_seconds),
    count(*) FILTER (WHERE waited_seconds > 0)
FROM annotation_pairrequest
WHERE project_id = %(project)s AND state = 'shown' AND shown_at >= %(since)s
GROUP BY GROUPING SETS ((1), ())
ORDER BY 1 NULLS FIRST
"""


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Seconds of many turns."""

    median: float
    p95: float


@dataclass(frozen=True, kw_only=True)
class Waits:
    """The pairs that were shown on one day, or on all of them."""

    day: date | None
    """In UTC; None for all."""
    num_pairs: int
    num_waited: int
    """For which somebody had nothing else to judge meanwhile."""
    writing: Spread
    """From a worker taking it up to both answers being there."""
    waiting: Spread
    """Of the person; 0 where they judged something else until it came."""


@dataclass(frozen=True, kw_only=True)
class WaitReport:
    """The latest days."""

    whole: Waits
    days: Sequence[Waits]
    """Oldest first; days without a pair are left out."""


def wait_report(project: Project) -> WaitReport | None:
    """Over NUM_DAYS; None where no pair was shown. One statement."""
    since = timezone.now() - timedelta(days=NUM_DAYS)
    with connection.cursor() as cursor:
        cursor.execute(WAITS, {"project": project.pk, "since": since})
        rows = [_waits(*row) for row in cursor if row[1]]
    return WaitReport(whole=rows[0], days=rows[1:]) if rows else None


def _waits(
    day: date | None,
    num_pairs: int,
    writing: Sequence[float | None],
    waiting: Sequence[float | None],
    num_waited: int,
) -> Waits:
    return Waits(
        day=day,
        num_pairs=num_pairs,
        num_waited=num_waited,
        writing=_spread(writing),
        waiting=_spread(waiting),
    )


def _spread(percentiles: Sequence[float | None]) -> Spread:
    median, p95 = (value or 0.0 for value in percentiles or (None, None))
    return Spread(median=median, p95=p95)
