"""A person's own work: how much in each of their projects, how it agrees with others', and what they judged.

Only what they may know: no one else's judgement is told by itself, and no model is named.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import User
from accounts.rows import Parameters
from annotation.agreement.bias import Share, wilson
from annotation.figures.reports import LONGEST_SECONDS
from annotation.models import Check, Judgement, Project
from annotation.permissions import projects_of

LEAST_SHARED = 10
"""With fewer shared comparisons the agreement would tell what somebody else said of one of them."""
NUM_DAYS = 28

WORK = """
SELECT c.project_id,
    count(*) FILTER (WHERE j.created_at >= %(today)s),
    count(*) FILTER (WHERE j.created_at >= %(week)s),
    count(*),
    coalesce(sum(least(greatest(j.seconds, 0), %(longest)s)) FILTER (WHERE j.created_at >= %(today)s), 0),
    coalesce(sum(least(greatest(j.seconds, 0), %(longest)s)) FILTER (WHERE j.created_at >= %(week)s), 0),
    coalesce(sum(least(greatest(j.seconds, 0), %(longest)s)), 0),
    count(e.id)
FROM annotation_judgement j
JOIN annotation_comparison c ON c.id = j.comparison_id
LEFT JOIN annotation_edit e ON e.judgement_id = j.id
WHERE j.annotator_id = %(annotator)s
GROUP BY c.project_id
"""

PUT_ASIDE = """
SELECT project_id, count(*) FILTER (WHERE state = 'skipped'), count(*) FILTER (WHERE state = 'flagged')
FROM annotation_assignment WHERE annotator_id = %(annotator)s
GROUP BY project_id
"""

AGREEMENT = """
SELECT project_id, count(*), avg(same)::float8
FROM (
    SELECT c.project_id, avg((o.preferred = j.preferred)::int) AS same
    FROM annotation_judgement j
    JOIN annotation_judgement o ON o.comparison_id = j.comparison_id AND o.annotator_id <> j.annotator_id
    JOIN annotation_comparison c ON c.id = j.comparison_id
    WHERE j.annotator_id = %(annotator)s AND c.state IN ('open', 'full')
      AND o.standing = ANY(%(in_agreement)s)
    GROUP BY c.project_id, c.id
) shared
GROUP BY project_id
"""

# Attention checks keep silent: a figure that moved after one would give it away.
CHECKS = """
SELECT c.project_id, count(*) FILTER (WHERE j.passed), count(*)
FROM annotation_judgement j
JOIN annotation_comparison c ON c.id = j.comparison_id
JOIN annotation_check k ON k.id = c.of_check_id
JOIN annotation_project p ON p.id = c.project_id
WHERE j.annotator_id = %(annotator)s AND j.passed IS NOT NULL AND p.check_feedback
  AND k.kind = ANY(%(told)s)
GROUP BY c.project_id
"""
TOLD = [Check.Kind.GOLD.value, Check.Kind.QUALIFICATION.value]

DAYS = """
SELECT (j.created_at AT TIME ZONE %(zone)s)::date, count(*)
FROM annotation_judgement j
JOIN annotation_comparison c ON c.id = j.comparison_id
WHERE j.annotator_id = %(annotator)s AND c.project_id = ANY(%(projects)s) AND j.created_at >= %(since)s
GROUP BY 1
"""


@dataclass(frozen=True, kw_only=True)
class Span:
    """What was done in some time."""

    num_judgements: int = 0
    active_seconds: float = 0.0
    """A quarter of an hour at most for each judgement; those without a time count nothing."""


@dataclass(frozen=True, kw_only=True)
class OwnWork:
    """One project as the person who works in it may see their own part."""

    project: Project
    today: Span = Span()
    week: Span = Span()
    """Since Monday."""
    whole: Span = Span()
    num_edits: int = 0
    num_skipped: int = 0
    num_flagged: int = 0
    num_shared: int = 0
    """Comparisons that somebody else has judged as well."""
    agrees: float | None = None
    """The mean share of those others who prefer the same side; None under LEAST_SHARED."""
    accuracy: Share | None = None
    """On the checks whose outcome they were told; None where there was none, or the project tells nobody."""


def own_work(user: User) -> list[OwnWork]:
    """The projects that are open to `user` and in which they have worked or could; five statements."""
    now = timezone.localtime()
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    monday = midnight - timedelta(days=midnight.weekday())
    times = {"today": midnight, "week": monday, "longest": LONGEST_SECONDS}
    worked = _by_project(WORK, user, times)
    aside = _by_project(PUT_ASIDE, user)
    shared = _by_project(AGREEMENT, user, {"in_agreement": [each.value for each in Judgement.IN_AGREEMENT]})
    checks = _by_project(CHECKS, user, {"told": TOLD})
    found = []
    for project in projects_of(user).order_by("name"):
        if project.pk not in worked.keys() | aside.keys() and user.is_admin:
            continue
        today, week, whole, *seconds, edits = worked.get(project.pk, (0,) * 7)
        num_shared, agrees = shared.get(project.pk, (0, None))
        passed, num_checks = checks.get(project.pk, (0, 0))
        skipped, flagged = aside.get(project.pk, (0, 0))
        found.append(
            OwnWork(
                project=project,
                today=Span(num_judgements=today, active_seconds=seconds[0]),
                week=Span(num_judgements=week, active_seconds=seconds[1]),
                whole=Span(num_judgements=whole, active_seconds=seconds[2]),
                num_edits=edits,
                num_skipped=skipped,
                num_flagged=flagged,
                num_shared=num_shared,
                agrees=agrees if num_shared >= LEAST_SHARED else None,
                accuracy=wilson(passed, num_checks),
            )
        )
    return found


def own_days(user: User, projects: Sequence[Project]) -> list[tuple[date, int]]:
    """Judgements in these projects on each of the last NUM_DAYS days, the oldest first."""
    today = timezone.localdate()
    first = today - timedelta(days=NUM_DAYS - 1)
    zone = timezone.get_current_timezone()
    since = datetime(first.year, first.month, first.day, tzinfo=zone)
    parameters: Parameters = {
        "annotator": user.pk,
        "projects": [project.pk for project in projects],
        "since": since,
        "zone": timezone.get_current_timezone_name(),
    }
    with connection.cursor() as cursor:
        cursor.execute(DAYS, parameters)
        found = dict(cursor.fetchall())
    return [
        (day, found.get(day, 0)) for day in (first + timedelta(days=number) for number in range(NUM_DAYS))
    ]


def own_judgements(user: User, project: Project) -> QuerySet[Judgement]:
    """What `user` judged in the project, the newest first, with its texts."""
    return (
        Judgement.objects.filter(annotator=user, comparison__project=project)
        .select_related("comparison__left", "comparison__right", "edit")
        .order_by("-pk")
    )


def _by_project(
    sql: str, user: User, parameters: Parameters | None = None
) -> dict[int, tuple[Any, ...]]:  # Any: what the database counts
    with connection.cursor() as cursor:
        cursor.execute(sql, {"annotator": user.pk, **(parameters or {})})
        return {row[0]: row[1:] for row in cursor.fetchall()}
