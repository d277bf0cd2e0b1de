"""Comparisons whose people disagree on which answer is better, for a reviewer to decide about."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection
from django.db.models import QuerySet

from accounts.process_cache import process_cache
from annotation.models import Comparison, Judgement, Project

KEPT_SECONDS = 60

# Steps as in annotation.figures.quality: 0 is marginally better, 3 significantly.
CONFLICTS = """
SELECT c.id FROM annotation_comparison c
JOIN annotation_judgement j ON j.comparison_id = c.id AND j.standing = 'counted'
JOIN annotation_dialog d ON d.id = c.dialog_id
JOIN annotation_prompt p ON p.id = d.prompt_id
CROSS JOIN LATERAL (
    SELECT array_position(
        ARRAY['marginally_better', 'slightly_better', 'better', 'significantly_better'], j.strength
    ) AS step
) said
WHERE c.project_id = %(project)s AND c.state = 'full' AND c.num_judgements > 1
    AND (%(round)s::integer IS NULL OR c.round = %(round)s)
    AND (%(domain)s::text IS NULL OR p.domain = %(domain)s)
GROUP BY c.id
HAVING max(said.step) FILTER (WHERE j.preferred = 'left') >= %(least)s
    AND max(said.step) FILTER (WHERE j.preferred = 'right') >= %(least)s
ORDER BY least(
    max(said.step) FILTER (WHERE j.preferred = 'left'), max(said.step) FILTER (WHERE j.preferred = 'right')
) DESC, sum(said.step) DESC, c.id
"""


@dataclass(frozen=True, kw_only=True)
class ConflictFilter:
    """Which conflicts to show."""

    round: int | None = None
    domain: str | None = None
    strong: bool = False
    """Only those where both sides were called at least better."""


def conflict_ids(project: Project, wanted: ConflictFilter) -> list[int]:
    """The comparisons in conflict that nobody has decided about, the strongest contradictions first."""
    with connection.cursor() as cursor:
        cursor.execute(
            CONFLICTS,
            {
                "project": project.pk,
                "round": wanted.round,
                "domain": wanted.domain,
                "least": 3 if wanted.strong else 1,
            },
        )
        return [row[0] for row in cursor.fetchall()]


def num_conflicts(project: Project) -> int:
    """How many there are, at most a minute old."""
    found = process_cache.get_or_set(
        _key(project), lambda: len(conflict_ids(project, ConflictFilter())), KEPT_SECONDS
    )
    assert isinstance(found, int), found
    return found


def conflicts_changed(project: Project) -> None:
    """Forget their number."""
    process_cache.delete(_key(project))


def decided(project: Project) -> QuerySet[Judgement]:
    """Reviewers' decisions that stand, newest first."""
    return (
        Judgement.objects.filter(comparison__project=project, standing=Judgement.Standing.DECISION)
        .select_related("comparison__left", "comparison__right", "annotator")
        .order_by("-pk")
    )


def with_judgements(ids: Sequence[int]) -> list[Comparison]:
    """These comparisons, in this order, with answers, prompts and everybody's judgements."""
    found = (
        Comparison.objects.filter(pk__in=ids)
        .select_related("left", "right", "dialog__prompt")
        .prefetch_related("judgements__annotator", "judgements__edit")
    )
    by_id = {comparison.pk: comparison for comparison in found}
    return [by_id[pk] for pk in ids if pk in by_id]


def _key(project: Project) -> str:
    return f"conflicts/{project.pk}"
