"""What has been collected: the table of preference data, strengths over time, throughput.

Lengths are in words (`annotation.text`): the web process has no tokenizer, and the models of a project
need not share one. Where models said how many tokens they wrote, tokens a word are reported as well.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import reduce

from django.db import connection

from accounts.process_cache import process_cache
from accounts.rows import Row
from annotation.figures.quality import judgements_stamp
from annotation.models import Comparison, Project
from annotation.records import Strength

KEPT_SECONDS = 24 * 3600
MAX_PERIODS = 60
LONGEST_SECONDS = 15 * 60
"""A judgement counts as active time for as long as this at most: people leave pages open."""

SIZES = """
WITH judged AS (
    SELECT p.domain, c.dialog_id, c.num_turns, c.context_words, c.prompt_words,
        l.num_words + r.num_words AS response_words,
        CASE WHEN l.num_tokens IS NULL THEN 0 ELSE l.num_words END
            + CASE WHEN r.num_tokens IS NULL THEN 0 ELSE r.num_words END AS words_with_tokens,
        coalesce(l.num_tokens, 0) + coalesce(r.num_tokens, 0) AS response_tokens
    FROM annotation_comparison c
    JOIN annotation_response l ON l.id = c.left_id
    JOIN annotation_response r ON r.id = c.right_id
    JOIN annotation_dialog d ON d.id = c.dialog_id
    JOIN annotation_prompt p ON p.id = d.prompt_id
    WHERE c.project_id = %(project)s AND c.state IN ('open', 'full') AND c.num_judgements > 0
        AND (%(round)s::integer IS NULL OR c.round = %(round)s)
), dialogs AS (
    SELECT domain, count(*) AS dialogs, sum(turns) AS turns
    FROM (SELECT domain, max(num_turns) AS turns FROM judged GROUP BY domain, dialog_id) longest
    GROUP BY domain
)
SELECT domain, count(*), dialogs, turns, sum(context_words + response_words), sum(prompt_words),
    sum(response_words), sum(words_with_tokens), sum(response_tokens)
FROM judged JOIN dialogs USING (domain)
GROUP BY domain, dialogs, turns
ORDER BY count(*) DESC, domain
"""

DAYS = """
SELECT (j.created_at AT TIME ZONE 'UTC')::date, j.strength, count(*), count(j.seconds),
    coalesce(sum(least(greatest(j.seconds, 0), %(longest)s)), 0)
FROM annotation_judgement j
JOIN annotation_comparison c ON c.id = j.comparison_id
WHERE c.project_id = %(project)s AND c.state IN ('open', 'full')
    AND j.standing IN ('counted', 'decision')
    AND (%(round)s::integer IS NULL OR c.round = %(round)s)
GROUP BY 1, 2
"""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Sums over comparisons, and the means that the table shows."""

    comparisons: int = 0
    dialogs: int = 0
    turns: int = 0
    example_words: int = 0
    """Context and both responses."""
    prompt_words: int = 0
    """The last message of the context."""
    response_words: int = 0
    words_with_tokens: int = 0
    response_tokens: int = 0
    """Of the responses whose models counted them, and the words of these."""

    def __add__(self, other: "Sizes") -> "Sizes":
        return Sizes(**{name: getattr(self, name) + getattr(other, name) for name in vars(self)})

    @property
    def turns_per_dialog(self) -> float:
        """The user's messages up to the dialog's last comparison."""
        return self.turns / self.dialogs

    @property
    def words_per_example(self) -> float:
        """A comparison's whole text."""
        return self.example_words / self.comparisons

    @property
    def words_per_prompt(self) -> float:
        """What the two responses answer."""
        return self.prompt_words / self.comparisons

    @property
    def words_per_response(self) -> float:
        """Of both."""
        return self.response_words / (2 * self.comparisons)

    @property
    def tokens_per_word(self) -> float | None:
        """By the models' own tokenizers; None where none of them counted."""
        return self.response_tokens / self.words_with_tokens if self.words_with_tokens else None


@dataclass(kw_only=True)
class Period:
    """Judgements of some days."""

    first: date
    last: date
    by_strength: list[int] = field(default_factory=lambda: [0] * len(Strength))
    """Strongest first."""
    num_timed: int = 0
    active_seconds: float = 0.0

    @property
    def num_judgements(self) -> int:
        """All strengths."""
        return sum(self.by_strength)

    @property
    def per_active_hour(self) -> float | None:
        """Judgements in an hour of one person's work; None where no time is known."""
        return 3600 * self.num_timed / self.active_seconds if self.active_seconds else None

    def take(self, strength: str, num: int, timed: int, seconds: float) -> None:
        """Count judgements in."""
        self.by_strength[list(Strength).index(Strength(strength))] += num
        self.num_timed += timed
        self.active_seconds += seconds


@dataclass(frozen=True, kw_only=True)
class Report:
    """One round's, or that of all rounds."""

    domains: Sequence[tuple[str, Sizes, float]]
    """Domain, sizes, share of comparisons; most first."""
    total: Sizes
    periods: Sequence[Period]
    """Oldest first, none left out in between, each as many days long."""
    whole: Period
    """From the first judgement to the last."""
    num_days: int
    """Days on which somebody judged."""

    @property
    def per_day(self) -> float:
        """Judgements on a day on which somebody judged."""
        return self.whole.num_judgements / self.num_days

    @property
    def per_active_hour(self) -> float | None:
        """As of a period."""
        return self.whole.per_active_hour


def rounds_judged(project: Project) -> list[int]:
    """The rounds that have a comparison, newest first."""
    rounds = Comparison.objects.filter(project=project).order_by("-round").values_list("round", flat=True)
    return list(rounds.distinct())


def project_report(project: Project, round_number: int | None) -> Report | None:
    """The report of one round, or of all; None where nothing is judged. Three statements at most."""
    stamp = judgements_stamp(project)
    if stamp is None:
        return None
    report: Report | None = process_cache.get_or_set(
        f"report/{project.pk}/{round_number}/{stamp}", lambda: _report(project, round_number), KEPT_SECONDS
    )
    return report


def _report(project: Project, round_number: int | None) -> Report | None:
    wanted = {"project": project.pk, "round": round_number, "longest": LONGEST_SECONDS}
    with connection.cursor() as cursor:
        cursor.execute(SIZES, wanted)
        sizes = [(row[0], Sizes(**dict(zip(vars(Sizes()), row[1:], strict=True)))) for row in cursor]
        cursor.execute(DAYS, wanted)
        days = cursor.fetchall()
    if not sizes or not days:
        return None
    total = reduce(Sizes.__add__, (size for _, size in sizes))
    first, last = min(day for day, *_ in days), max(day for day, *_ in days)
    whole = Period(first=first, last=last)
    for _, *counted in days:
        whole.take(*counted)
    return Report(
        domains=[(domain, size, size.comparisons / total.comparisons) for domain, size in sizes],
        total=total,
        periods=_periods(days, first, last),
        whole=whole,
        num_days=len({day for day, *_ in days}),
    )


def _periods(days: Sequence[Row], first: date, last: date) -> list[Period]:
    """Days, or as many days together as keep the drawing readable."""
    length = -(-((last - first).days + 1) // MAX_PERIODS)
    periods = [
        Period(first=start, last=min(start + timedelta(days=length - 1), last))
        for start in (first + timedelta(days=days) for days in range(0, (last - first).days + 1, length))
    ]
    for day, *counted in days:
        periods[(day - first).days // length].take(*counted)
    return periods
