"""How far a project is: its round and when it will be done, which prompts are covered, what people worked."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from django.db import connection
from django.utils import timezone

from annotation.figures.forecast import Forecast, forecast
from annotation.figures.pay import Rates, Work
from annotation.figures.reports import LONGEST_SECONDS
from annotation.models import Project
from annotation.selectors import comparison_counts

WINDOW_DAYS = 14
"""Whole days that the forecast looks back on."""

DONE = """
SELECT count(*) FROM annotation_judgement j
JOIN annotation_comparison c ON c.id = j.comparison_id
WHERE c.project_id = %(project)s AND c.round = %(round)s AND c.state IN ('open', 'full')
    AND j.standing IN ('counted', 'decision')
"""

DAYS = """
SELECT (j.created_at AT TIME ZONE 'UTC')::date, count(*) FROM annotation_judgement j
JOIN annotation_comparison c ON c.id = j.comparison_id
WHERE c.project_id = %(project)s AND j.created_at >= %(since)s AND j.assignment_id IS NOT NULL
    AND c.of_check_id IS NULL
GROUP BY 1
"""
"""Without imported judgements, for nobody worked on them on that day, and without those of checks."""

COVERAGE = """
SELECT p.domain, p.language, count(*), count(*) FILTER (WHERE judged.num > 0),
    coalesce(sum(judged.num), 0)
FROM annotation_prompt p
LEFT JOIN (
    SELECT d.prompt_id, sum(c.num_judgements) AS num
    FROM annotation_comparison c JOIN annotation_dialog d ON d.id = c.dialog_id
    WHERE c.project_id = %(project)s AND c.state IN ('open', 'full') AND c.num_judgements > 0
    GROUP BY d.prompt_id
) judged ON judged.prompt_id = p.id
WHERE p.project_id = %(project)s AND p.split = 'train'
GROUP BY p.domain, p.language
ORDER BY count(*) DESC, p.domain, p.language
"""

WORK = """
SELECT u.username, count(*), count(j.seconds),
    coalesce(sum(least(greatest(j.seconds, 0), %(longest)s)), 0)
FROM annotation_judgement j
JOIN annotation_comparison c ON c.id = j.comparison_id
JOIN accounts_user u ON u.id = j.annotator_id
WHERE c.project_id = %(project)s AND j.assignment_id IS NOT NULL
GROUP BY u.username
"""
"""Also of comparisons withdrawn since, of checks, and excluded ones: the work was done."""


@dataclass(frozen=True, kw_only=True)
class RoundProgress:
    """How far the current round's judgements are."""

    round: int
    done: int
    wanted: int
    forecast: Forecast | None
    today: date

    @property
    def remaining(self) -> int:
        """Judgements still to be made."""
        return max(self.wanted - self.done, 0)

    @property
    def done_on(self) -> date | None:
        """The expected day."""
        return None if self.forecast is None else self._day(self.forecast.days)

    @property
    def earliest(self) -> date | None:
        """The near end of the forecast."""
        return None if self.forecast is None else self._day(self.forecast.low)

    @property
    def latest(self) -> date | None:
        """The far end; None where there is none in sight."""
        if self.forecast is None or self.forecast.high is None:
            return None
        return self._day(self.forecast.high)

    def _day(self, days: float) -> date:
        return self.today + timedelta(days=min(days, 36_500))


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """Of the train prompts of one domain and language, or of all."""

    domain: str
    language: str
    num_prompts: int
    num_judged: int
    """Prompts with at least one judgement."""
    num_judgements: int

    @property
    def share(self) -> float:
        """Of the prompts, that are judged."""
        return self.num_judged / self.num_prompts if self.num_prompts else 0.0


def round_progress(project: Project) -> RoundProgress:
    """Of the round that is handed out now; wanted is what its open comparisons still need, or more."""
    wanted = {"project": project.pk, "round": project.current_round}
    with connection.cursor() as cursor:
        cursor.execute(DONE, wanted)
        (done,) = cursor.fetchone() or (0,)
    missing = comparison_counts(project, project.current_round).judgements_missing
    total = max(done + missing, project.judgements_wanted)
    return RoundProgress(
        round=project.current_round,
        done=done,
        wanted=total,
        forecast=forecast(total - done, daily_judgements(project)) if total > done else None,
        today=timezone.now().date(),
    )


def daily_judgements(project: Project) -> list[int]:
    """How many were given on each whole day of the window, from the first on which there was any."""
    today = timezone.now().date()
    since = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=WINDOW_DAYS)
    with connection.cursor() as cursor:
        cursor.execute(DAYS, {"project": project.pk, "since": since})
        return _whole_days(dict(cursor.fetchall()), today)


def coverage(project: Project) -> list[Coverage]:
    """By domain and language, most prompts first."""
    with connection.cursor() as cursor:
        cursor.execute(COVERAGE, {"project": project.pk})
        return [
            Coverage(
                domain=domain, language=language, num_prompts=num, num_judged=judged, num_judgements=sum_
            )
            for domain, language, num, judged, sum_ in cursor
        ]


def total_coverage(rows: Sequence[Coverage]) -> Coverage:
    """All rows as one."""
    return Coverage(
        domain="",
        language="",
        num_prompts=sum(row.num_prompts for row in rows),
        num_judged=sum(row.num_judged for row in rows),
        num_judgements=sum(row.num_judgements for row in rows),
    )


def work_of_people(project: Project) -> list[Work]:
    """What each person has done in the project; a judgement's time counts as in the reports."""
    with connection.cursor() as cursor:
        cursor.execute(WORK, {"project": project.pk, "longest": LONGEST_SECONDS})
        return [
            Work(name=name, num_judgements=num, num_timed=timed, active_seconds=seconds)
            for name, num, timed, seconds in cursor
        ]


def rates(project: Project) -> Rates:
    """What the project pays."""
    return Rates(
        currency=project.currency,
        per_judgement=project.pay_per_judgement,
        per_hour=project.pay_per_hour,
        fair_per_hour=project.fair_pay_per_hour,
    )


def _whole_days(days: dict[date, int], today: date) -> list[int]:
    """The counts of the window's days before today, from the first on which anything was done."""
    window = [today - timedelta(days=back) for back in range(WINDOW_DAYS, 0, -1)]
    counts = [days.get(day, 0) for day in window]
    first = next((place for place, num in enumerate(counts) if num), len(counts))
    return counts[first:]
