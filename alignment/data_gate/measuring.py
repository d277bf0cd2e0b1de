"""Reads what the data gate asks for: which judgements would train, agreement, checks, coverage, pace."""

import hashlib
from collections import Counter
from datetime import timedelta

from django.db.models import Min
from django.utils import timezone

from accounts.process_cache import process_cache
from alignment.data_gate.checks import Covered, DataCheck, DataFigures, Estimate, data_checks
from alignment.recipe import RoundRecipe, SnapshotRecipe
from alignment.selection import Selection, select
from annotation.agreement.bias import wilson
from annotation.figures.quality import judgements_stamp, project_quality
from annotation.models import Check, Judgement, Project
from annotation.selectors import preference_records, prompts, usable_judgements

KEPT_SECONDS = 24 * 3600
PACE_DAYS = 7


def data_gate_checks(project: Project, recipe: RoundRecipe) -> list[DataCheck]:
    """The checks over what the project has now, by the recipe's thresholds."""
    return data_checks(
        data_figures(project, recipe.snapshot),
        recipe.data_gate,
        min_judgements=recipe.snapshot.min_judgements,
    )


def data_figures(project: Project, recipe: SnapshotRecipe) -> DataFigures:
    """What there is now. Reading 50,000 judgements takes some seconds; kept until there is another."""
    num_judgements, num_strong, covered = _selected(project, recipe)
    quality = project_quality(project, patient=True)
    overall = None if quality is None or isinstance(quality, int) else quality.figures.overall
    found = None if overall is None else overall.ordinal
    return DataFigures(
        num_judgements=num_judgements,
        num_strong=num_strong,
        agreement=None
        if overall is None or found is None or found.low is None or found.high is None
        else Estimate(value=found.value, low=found.low, high=found.high, num=overall.num_shared),
        num_shared=0 if overall is None else overall.num_shared,
        gold=_gold(project),
        domains=_domains(project, covered),
        strong_per_day=_strong_per_day(project, recipe),
    )


def _selected(project: Project, recipe: SnapshotRecipe) -> tuple[int, int, set[int]]:
    """How many judgements count, how many would train, and the ids of the prompts with one that is used."""
    stamp = judgements_stamp(project)
    if stamp is None:
        return 0, 0, set()
    told = hashlib.sha256(recipe.model_dump_json().encode()).hexdigest()[:16]
    key = f"data-gate/{project.pk}/{stamp}/{told}"
    kept: tuple[int, int, set[int]] | None = process_cache.get(key)
    if kept is None:
        selection = select(preference_records(project), recipe)
        num = len(selection.train) + len(selection.holdout) + selection.dropped.total()
        kept = num, len(selection.train), _covered(project, selection, recipe)
        process_cache.set(key, kept, KEPT_SECONDS)
    return kept


def _covered(project: Project, selection: Selection, recipe: SnapshotRecipe) -> set[int]:
    used = {int(record.id) for record in selection.train}
    used |= {int(record.id) for record in selection.holdout if record.strength in recipe.strengths}
    rows = usable_judgements(project).values_list("pk", "comparison__dialog__prompt_id")
    return {prompt for pk, prompt in rows.iterator() if pk in used}


def _domains(project: Project, covered: set[int]) -> dict[str, Covered]:
    total: Counter[str] = Counter()
    judged: Counter[str] = Counter()
    for pk, domain in prompts(project, "train").values_list("pk", "domain"):
        total[domain] += 1
        judged[domain] += pk in covered
    return {
        domain: Covered(num_prompts=num, num_covered=judged[domain]) for domain, num in sorted(total.items())
    }


def _gold(project: Project) -> Estimate | None:
    """How often people are right on the checks that come among their work."""
    counted = Judgement.objects.filter(
        comparison__project=project, passed__isnull=False, standing=Judgement.Standing.COUNTED
    ).exclude(comparison__of_check__kind=Check.Kind.QUALIFICATION)
    right = counted.filter(passed=True).count()
    share = wilson(right, counted.count())
    return (
        None if share is None else Estimate(value=share.value, low=share.low, high=share.high, num=share.num)
    )


def _strong_per_day(project: Project, recipe: SnapshotRecipe) -> float:
    """Strong judgements a day of the last week, without imported ones, less the part that is held out."""
    since = timezone.now() - timedelta(days=PACE_DAYS)
    strong = usable_judgements(project).filter(
        assignment__isnull=False, strength__in=recipe.strengths, created_at__gte=since
    )
    first = strong.order_by().aggregate(first=Min("created_at"))["first"]
    if first is None:
        return 0.0
    # Somebody who began an hour ago does not go on like that by night: a day at least.
    days = max(1.0, (timezone.now() - first).total_seconds() / 86_400)
    return strong.count() / days * (1 - recipe.holdout_fraction)
