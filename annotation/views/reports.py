"""The quality page and the reports page of a project."""

from dataclasses import dataclass

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.formats import date_format
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET

from accounts.auth import signed_in
from annotation.agreement.bias import Share
from annotation.agreement.people import Person
from annotation.figures.charts import StackedBars, stacked_bars
from annotation.figures.check_figures import checked_people
from annotation.figures.edits_again import edits_again, edits_again_named, edits_again_total
from annotation.figures.predicted import predicted_agreement
from annotation.figures.quality import ProjectQuality, project_quality
from annotation.figures.reason_counts import reason_counts
from annotation.figures.reports import Report, project_report, rounds_judged
from annotation.figures.safety_counts import safety_counts
from annotation.figures.wait_charts import wait_context
from annotation.judging_words import STRENGTHS
from annotation.models import OverlapMode
from annotation.permissions import ADMINISTER, REVIEW, project_for
from annotation.views.projects import project_frame

MAX_TOO_FAST = 0.2
NUM_LATEST = 14


@dataclass(frozen=True, kw_only=True)
class PersonRow:
    """One person of the table, and which of their figures stand out."""

    name: str
    person: Person
    sided: bool
    swayed_by_length: bool
    hasty: bool


@login_required
@require_GET
def project_quality_page(request: HttpRequest, slug: str) -> HttpResponse:
    """How far people agree, and what sways each of them; of very many judgements in a second request."""
    project = project_for(signed_in(request), slug, ADMINISTER)
    found = project_quality(project, patient=is_htmx(request))
    edits = edits_again(project)
    context = {
        **project_frame(request, project),
        "checked": checked_people(project),
        "edits": edits_again_total(edits),
        "editors": edits_again_named(edits),
    }
    if isinstance(found, int):
        context["num_to_read"] = found
    elif found is not None:
        pairs = [
            (
                _("%(one)s and %(other)s")
                % {"one": found.names[pair.first], "other": found.names[pair.second]},
                pair,
            )
            for pair in found.figures.pairs
        ]
        context |= {"quality": found.figures, "people": _people(found), "pairs": pairs}
        if project.overlap_mode == OverlapMode.ADAPTIVE:
            context["predicted"] = predicted_agreement(project)
    return render(request, "annotation/project_quality.html", context)


@login_required
@require_GET
def project_reports(request: HttpRequest, slug: str) -> HttpResponse:
    """What has been collected, of one round or of all; to htmx only what changes."""
    project = project_for(signed_in(request), slug, REVIEW)
    asked = request.GET.get("round", "")
    rounds = rounds_judged(project)
    round_number = next((number for number in rounds if str(number) == asked), None)
    report = project_report(project, round_number)
    context: dict[str, object] = {
        "report": report,
        "rounds": rounds,
        "round_number": round_number,
        "strengths": [capfirst(words) for words in STRENGTHS.values()],
    }
    if report is not None:
        first = report.periods[0]
        context |= {
            "bars": _bars(report),
            "bar_days": (first.last - first.first).days + 1,
            "reason_bars": reason_counts(project, round_number),
            "safety_bars": safety_counts(project, round_number),
            "latest": report.periods[: -NUM_LATEST - 1 : -1],
        }
    if is_htmx(request):
        return render(request, "annotation/_report_live.html", {**context, "project": project})
    context |= project_frame(request, project)
    if context["may_administer"]:
        context |= wait_context(project)
    return render(request, "annotation/project_reports.html", context)


def is_htmx(request: HttpRequest) -> bool:
    """Whether a page asks for a part of itself."""
    return request.headers.get("HX-Request") == "true"


def _people(found: ProjectQuality) -> list[PersonRow]:
    longer = found.figures.prefers_longer
    return [
        PersonRow(
            name=found.names[person.annotator],
            person=person,
            sided=_leaves_out(person.prefers_left, 0.5),
            swayed_by_length=longer is not None and _leaves_out(person.prefers_longer, longer.value),
            hasty=person.too_fast is not None and person.too_fast.value > MAX_TOO_FAST,
        )
        for person in found.figures.people
    ]


def _leaves_out(share: Share | None, expected: float) -> bool:
    return share is not None and not share.low <= expected <= share.high


def _bars(report: Report) -> StackedBars:
    return stacked_bars(
        [
            (
                ngettext("%(day)s: %(n)d judgement", "%(day)s: %(n)d judgements", period.num_judgements)
                % {"day": date_format(period.first, _("j M Y")), "n": period.num_judgements},
                period.by_strength,
            )
            for period in report.periods
        ]
    )
