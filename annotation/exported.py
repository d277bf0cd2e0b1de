"""Reads for exports: the judgements that a filter takes, how many there are, and what one can filter by."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import reduce
from importlib.metadata import version
from operator import or_

from django.db import connection
from django.db.models import Q, QuerySet

from annotation.exporting.manifest import Export
from annotation.filters import PreferenceFilter
from annotation.models import Judgement, Project, Side
from annotation.records import PreferenceRecord
from annotation.selectors import record_of, usable_judgements, with_parts

CHUNK = 1000
MAX_CHOICES = 200


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What the judgements of a project have, for a form to offer."""

    rounds: list[int]
    domains: list[str]
    languages: list[str]
    annotators: list[str]
    reasons: list[str]
    safety: list[str]


def judgements_matching(project: Project, chosen: PreferenceFilter) -> QuerySet[Judgement]:
    """The usable judgements that the filter takes, in no order."""
    found = usable_judgements(project).filter(comparison__erased_at=None)
    prompt = "comparison__dialog__prompt"
    wanted = {
        "comparison__round__in": chosen.rounds,
        f"{prompt}__domain__in": chosen.domains,
        f"{prompt}__language__in": chosen.languages,
        "strength__in": chosen.strengths,
        "annotator__pseudonym__in": chosen.annotators,
    }
    found = found.filter(**{name: values for name, values in wanted.items() if values})
    if chosen.first_day:
        found = found.filter(created_at__gte=datetime.combine(chosen.first_day, time(), UTC))
    if chosen.last_day:
        end = datetime.combine(chosen.last_day, time(), UTC) + timedelta(days=1)
        found = found.filter(created_at__lt=end)
    if chosen.edited_only:
        found = found.filter(edit__isnull=False)
    if chosen.reasons:
        found = found.filter(reduce(or_, (Q(reasons__contains=[reason]) for reason in chosen.reasons)))
    if chosen.safety:
        sides = (
            Q(**{f"safety__{side}__contains": [category]})
            for category in chosen.safety
            for side in Side.values
        )
        found = found.filter(reduce(or_, sides))
    if chosen.safe_only:
        found = found.filter(safety={})
    return found


def exported_records(project: Project, chosen: PreferenceFilter | None = None) -> Iterator[PreferenceRecord]:
    """The records of these judgements, oldest first, under the ids that hold outside this database.

    Read page by page, so that neither memory nor a cursor grows with them.
    """
    matching = judgements_matching(project, chosen or PreferenceFilter()).order_by("pk")
    last = 0
    while page := list(with_parts(matching.filter(pk__gt=last))[:CHUNK]):
        for judgement in page:
            yield record_of(judgement, judgement.record_id)
        last = page[-1].pk


def export_of(project: Project, chosen: PreferenceFilter, *, format_: str, encoding: str) -> Export:
    """An export of this project to be read."""
    return Export(
        project=project.slug, version=version("accord"), format_=format_, encoding=encoding, chosen=chosen
    )


def filter_choices(project: Project) -> Choices:
    """What there is to filter by; of very many values the first ones."""
    with connection.cursor() as cursor:

        def values(sql: str) -> list[str]:
            cursor.execute(f"{sql} LIMIT {MAX_CHOICES}", {"project": project.pk})
            return [row[0] for row in cursor]

        rounds = values(
            "SELECT DISTINCT round FROM annotation_comparison WHERE project_id = %(project)s ORDER BY 1"
        )
        domains, languages = (
            values(
                f"SELECT DISTINCT {column} FROM annotation_prompt WHERE project_id = %(project)s ORDER BY 1"
            )
            for column in ("domain", "language")
        )
        annotators = values(
            "SELECT u.pseudonym FROM accounts_user u WHERE EXISTS (SELECT FROM annotation_judgement j "
            "JOIN annotation_comparison c ON c.id = j.comparison_id "
            "WHERE j.annotator_id = u.id AND c.project_id = %(project)s) ORDER BY 1"
        )
        reasons = values(
            "SELECT DISTINCT jsonb_array_elements_text(j.reasons) FROM annotation_judgement j "
            "JOIN annotation_comparison c ON c.id = j.comparison_id "
            "WHERE c.project_id = %(project)s AND j.reasons <> '[]' ORDER BY 1"
        )
        safety = values(
            "SELECT DISTINCT jsonb_array_elements_text(side.value) FROM annotation_judgement j "
            "JOIN annotation_comparison c ON c.id = j.comparison_id, jsonb_each(j.safety) side "
            "WHERE c.project_id = %(project)s AND j.safety <> '{}' ORDER BY 1"
        )
    return Choices(
        rounds=[int(number) for number in rounds],
        domains=domains,
        languages=languages,
        annotators=annotators,
        reasons=reasons,
        safety=safety,
    )
