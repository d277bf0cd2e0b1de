"""Pages of document reviews: the blind one on which people judge, and an admin's list, results and files."""

import json
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts.auth import signed_in
from accounts.errors import AccordError, Forbidden, Invalid
from annotation.models import Project
from annotation.permissions import ADMINISTER, ANNOTATE, project_for
from annotation.services.exposure import opted_in
from annotation.streaming import stream
from annotation.views.projects import project_frame
from reviewing.import_jobs import runs_offered
from reviewing.import_views import ReviewImportForm, imports_shown
from reviewing.labels import label_lines
from reviewing.models import DocumentReview, Reading, ReviewedDocument
from reviewing.reasons import REASONS
from reviewing.results import GOOD_COSTS, results_of
from reviewing.selectors import latest_judged, open_review, progress, review_named
from reviewing.services import (
    filters_reveal,
    labels_note,
    reading_next,
    review_set_open,
    verdict_give,
    verdict_take_back,
)
from reviewing.shown import shown_latest, shown_results
from reviewing.thresholds import parsed, with_bounds

KEYS = ((Reading.Verdict.KEEP, "K"), (Reading.Verdict.DROP, "D"), (Reading.Verdict.UNSURE, "U"))
"""Verdicts with their keys, in the order of the page."""


@login_required
@require_GET
def review_list(request: HttpRequest, slug: str) -> HttpResponse:
    """The project's reviews, for those who look after it."""
    project = project_for(signed_in(request), slug, ADMINISTER)
    context = {
        **project_frame(request, project),
        "reviews": [progress(review) for review in project.document_reviews.all()],
        **imports_shown(project),
    }
    if signed_in(request).is_admin and runs_offered():
        context["form"] = ReviewImportForm()
    return render(request, "reviewing/review_list.html", context)


@login_required
@never_cache
@require_GET
def review_results(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """What people's verdicts say, and where the thresholds should be."""
    project, review = _found(request, slug, pk)
    results = results_of(review, good_cost_of(request))
    context = {
        **project_frame(request, project),
        "review": review,
        "progress": progress(review),
        "good_costs": GOOD_COSTS,
        **shown_results(results),
    }
    return render(request, "reviewing/review_results.html", context)


@login_required
@require_POST
def review_open(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Hand documents out from now on (`open=1`), or no more."""
    _project, review = _found(request, slug, pk)
    review_set_open(review, is_open=request.POST.get("open") == "1", actor=signed_in(request))
    return redirect("document-review", slug=slug, pk=pk)


@login_required
@require_GET
def review_recipe(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """The sift recipe with the moved thresholds, as a download: `recipe` of a `run.json`."""
    _project, review = _found(request, slug, pk)
    results = results_of(review, good_cost_of(request))
    told = {"recipe": recipe_with(review, results.bounds)}
    response = HttpResponse(json.dumps(told, indent=2, ensure_ascii=False), content_type="application/json")
    response["Content-Disposition"] = f'attachment; filename="{slug}-{review.name}-recipe.json"'
    return response


@login_required
@require_GET
def review_labels(request: HttpRequest, slug: str, pk: int) -> StreamingHttpResponse:
    """The documents with people's verdicts, a line each, for `train_classifier`."""
    _project, review = _found(request, slug, pk)
    labels_note(review, actor=signed_in(request))
    pieces = (line.encode() for line in label_lines(review, {}))
    name = f"{slug}-{review.name}-labels.jsonl"
    return stream(request, pieces, name=name, content_type="application/x-ndjson")


@login_required
@never_cache
@require_GET
def review_read(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """The next document for this person, without a word of what the filters said."""
    user = signed_in(request)
    project = project_for(user, slug, ANNOTATE)
    review = review_named(project, pk)
    if project.sensitive and not opted_in(project, user):
        return render(request, "annotation/sensitive.html", {"project": project})
    context: dict[str, Any] = {  # Any: of a template
        "project": project,
        "review": review,
        "keys": [(verdict.value, verdict.label, key) for verdict, key in KEYS],
        "reasons": REASONS,
        **shown_latest(latest_judged(review, user)),
    }
    try:
        reading = reading_next(review, user)
    except Forbidden as refusal:
        return render(request, "reviewing/read.html", {**context, "refusal": str(refusal)})
    mine = open_review(review, user)
    context |= {
        "document": None if reading is None else reading.document,
        "num_done": mine.num_done,
        "num_all": mine.num_done + mine.num_waiting,
    }
    return render(request, "reviewing/read.html", context)


@login_required
@require_POST
def review_judge(request: HttpRequest, slug: str, pk: int, document: int) -> HttpResponse:
    """Keep one verdict and go on to the next document."""
    found = _document(request, slug, pk, document)
    try:
        verdict_give(
            found,
            signed_in(request),
            verdict=request.POST.get("verdict", ""),
            reasons=request.POST.getlist("reasons"),
        )
    except AccordError as error:
        messages.error(request, str(error))
    return redirect("document-review-read", slug=slug, pk=pk)


@login_required
@require_POST
def review_take_back(request: HttpRequest, slug: str, pk: int, document: int) -> HttpResponse:
    """Take one's verdict back: the document comes again."""
    found = _document(request, slug, pk, document)
    try:
        verdict_take_back(found, signed_in(request))
    except AccordError as error:
        messages.error(request, str(error))
    return redirect("document-review-read", slug=slug, pk=pk)


@login_required
@require_POST
def review_reveal(request: HttpRequest, slug: str, pk: int, document: int) -> HttpResponse:
    """Show what the filters said of a document that one has judged."""
    found = _document(request, slug, pk, document)
    try:
        filters_reveal(found, signed_in(request))
    except AccordError as error:
        messages.error(request, str(error))
    return redirect("document-review-read", slug=slug, pk=pk)


def good_cost_of(request: HttpRequest) -> float:
    """What a good document dropped costs, by the address. Raises Invalid."""
    told = request.GET.get("cost", "1")
    for cost in GOOD_COSTS:
        if told == f"{cost:g}":
            return cost
    choices = ", ".join(f"{cost:g}" for cost in GOOD_COSTS)
    raise Invalid(
        _("There is no cost %(told)r: choose among %(choices)s.") % {"told": told, "choices": choices}
    )


def recipe_with(review: DocumentReview, bounds: dict[str, float]) -> dict[str, Any]:  # Any: JSON
    """The review's sift recipe with other bounds."""
    return with_bounds(review.run["recipe"], parsed(review.thresholds), bounds)


def _found(request: HttpRequest, slug: str, pk: int) -> tuple[Project, DocumentReview]:
    """For those who look after the project."""
    project = project_for(signed_in(request), slug, ADMINISTER)
    return project, review_named(project, pk)


def _document(request: HttpRequest, slug: str, pk: int, document: int) -> ReviewedDocument:
    """For those who judge in the project."""
    project = project_for(signed_in(request), slug, ANNOTATE)
    documents = ReviewedDocument.objects.select_related("review__project")
    return get_object_or_404(documents, pk=document, review=review_named(project, pk))
