"""The quality of a project's judgements: read in one statement, kept until there is another judgement."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from django.db import connection

from accounts.models import User
from accounts.process_cache import process_cache
from accounts.rows import fetch_one
from annotation.agreement.people import JudgementColumns, Quality, quality
from annotation.models import Project
from annotation.records import Strength

KEPT_SECONDS = 24 * 3600
MANY = 20_000
"""Judgements whose figures take about half a second."""

USABLE = """
FROM annotation_judgement j
JOIN annotation_comparison c ON c.id = j.comparison_id
WHERE c.project_id = %(project)s AND c.state IN ('open', 'full') AND j.standing NOT IN ('excluded', 'undone')
"""
"""Judgements that count: not excluded, and of no flagged or withdrawn comparison and no check."""

NEWEST = f"SELECT max(j.id), count(*), sum(j.id)::bigint {USABLE}"

JUDGEMENTS = """
SELECT j.comparison_id, j.annotator_id, j.preferred = 'right', j.strength, p.domain,
    j.seconds, l.num_words, r.num_words
FROM annotation_judgement j
JOIN annotation_comparison c ON c.id = j.comparison_id
JOIN annotation_response l ON l.id = c.left_id
JOIN annotation_response r ON r.id = c.right_id
JOIN annotation_dialog d ON d.id = c.dialog_id
JOIN annotation_prompt p ON p.id = d.prompt_id
WHERE c.project_id = %(project)s AND c.state IN ('open', 'full') AND j.standing IN ('counted', 'superseded')
"""

STEPS = {strength.value: step for step, strength in enumerate(reversed(Strength))}
"""How far a strength is from the middle: 0 for marginally better, 3 for significantly."""


class Stamp(NamedTuple):
    """Another one whenever a judgement is written or excluded, or a comparison is withdrawn."""

    newest: int
    num_judgements: int
    id_sum: int

    def __str__(self) -> str:
        return f"{self.newest}-{self.num_judgements}-{self.id_sum}"


@dataclass(frozen=True, kw_only=True)
class ProjectQuality:
    """The figures, and whom their ids stand for."""

    figures: Quality
    names: Mapping[int, str]


def project_quality(project: Project, *, patient: bool) -> ProjectQuality | int | None:
    """The figures of the project's judgements to date; None where there is none. Three statements.

    Only their number where the figures take more than a moment and the caller is not `patient`.
    """
    stamp = judgements_stamp(project)
    if stamp is None:
        return None
    key = f"quality/{project.pk}/{stamp}"
    figures: Quality | None = process_cache.get(key)
    if figures is None:
        if not patient and stamp.num_judgements > MANY:
            return stamp.num_judgements
        if (columns := _columns(project)) is None:
            return None
        figures = quality(columns)
        process_cache.set(key, figures, KEPT_SECONDS)
    ids = [person.annotator for person in figures.people]
    names = dict(User.objects.filter(pk__in=ids).values_list("pk", "username"))
    return ProjectQuality(figures=figures, names=names)


def judgements_stamp(project: Project) -> Stamp | None:
    """How far the project's judgements are; None without any."""
    newest = fetch_one(NEWEST, {"project": project.pk})
    return Stamp(*newest) if newest and newest[1] else None


def _columns(project: Project) -> JudgementColumns | None:
    with connection.cursor() as cursor:
        cursor.execute(JUDGEMENTS, {"project": project.pk})
        if not (rows := cursor.fetchall()):
            return None  # all that is left are decisions of reviewers
        comparison, annotator, right, strength, domain, seconds, left_words, right_words = zip(
            *rows, strict=True
        )
    step_R = np.array([STEPS[name] for name in strength])
    domains = tuple(sorted(set(domain)))
    place = {name: number for number, name in enumerate(domains)}
    return JudgementColumns(
        comparison_R=np.array(comparison, dtype=np.int64),
        annotator_R=np.array(annotator, dtype=np.int64),
        grade_R=np.where(np.array(right), 4 + step_R, 3 - step_R),
        domain_R=np.array([place[name] for name in domain], dtype=np.int64),
        seconds_R=np.array(seconds, dtype=np.float64),  # None becomes NaN
        words_left_R=np.array(left_words, dtype=np.int64),
        words_right_R=np.array(right_words, dtype=np.int64),
        domains=domains,
    )
