"""The pages of one's own work: how much, how it agrees, which rounds learned from it, what one judged.

Here and not with the other pages of annotators, because only this app knows what learned from a judgement.
"""

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.formats import date_format
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from accounts.auth import signed_in
from accounts.models import User
from alignment.models import Snapshot
from annotation.figures.charts import stacked_bars
from annotation.figures.own_work import NUM_DAYS, OwnWork, own_days, own_judgements, own_work
from annotation.models import Judgement
from annotation.permissions import project_for

PER_PAGE = 20


@login_required
@never_cache
@require_GET
def own_work_page(request: HttpRequest) -> HttpResponse:
    """All of one's projects."""
    user = signed_in(request)
    works = own_work(user)
    learned = rounds_learned(user)
    days = own_days(user, [work.project for work in works])
    context = {
        "works": [(work, learned.get(work.project.pk, [])) for work in works],
        "totals": _totals(works),
        "checked": [work for work in works if work.accuracy is not None],
        "bars": stacked_bars([(f"{date_format(day, 'j M Y')}: {number}", [number]) for day, number in days]),
        "first_day": days[0][0],
        "last_day": days[-1][0],
        "num_days": NUM_DAYS,
        "num_in_days": sum(number for _, number in days),
    }
    return render(request, "alignment/own_work.html", context)


@login_required
@never_cache
@require_GET
def own_judgements_page(request: HttpRequest, slug: str) -> HttpResponse:
    """What one judged in a project, with the texts and without the models."""
    user = signed_in(request)
    project = project_for(user, slug)
    page = Paginator(own_judgements(user, project), PER_PAGE).get_page(request.GET.get("page"))
    context = {"project": project, "page": page, "judged": [_told(judgement) for judgement in page]}
    return render(request, "alignment/own_judgements.html", context)


def rounds_learned(user: User) -> dict[int, list[tuple[int, int]]]:
    """By project: the rounds that learned from the person's judgements, and from how many of them."""
    rows = (
        Snapshot.judgements.through.objects.filter(judgement__annotator=user)
        .values_list("snapshot__round__project", "snapshot__round__number")
        .annotate(num=Count("judgement", distinct=True))
        .order_by("snapshot__round__number")
    )
    found: dict[int, list[tuple[int, int]]] = {}
    for project, number, num_judgements in rows:
        found.setdefault(project, []).append((number, num_judgements))
    return found


def _totals(works: list[OwnWork]) -> list[tuple[str, int, float]]:
    """Name of the span, judgements and active seconds in it, over all projects."""
    return [
        (
            name,
            sum(getattr(work, name).num_judgements for work in works),
            sum(getattr(work, name).active_seconds for work in works),
        )
        for name in ("today", "week", "whole")
    ]


def _told(judgement: Judgement) -> dict[str, object]:
    """One judgement as its author may read it again."""
    edit = judgement.standing_edit
    return {
        "judgement": judgement,
        "context": judgement.comparison.context,
        "chosen": judgement.chosen.content,
        "rejected": judgement.rejected.content,
        "edited": None if edit is None else edit.content,
    }
