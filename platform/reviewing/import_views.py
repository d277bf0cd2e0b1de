"""The form that draws a review from a run on the server, for site admins, and how far that is."""

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts.auth import signed_in
from accounts.errors import AccordError, Forbidden
from annotation.models import Project
from annotation.permissions import ADMINISTER, project_for
from reviewing.import_jobs import MOST, MOST_PEOPLE, import_restart, import_start, is_stale, runs_offered
from reviewing.models import ReviewImport

NUM_SHOWN = 3


class ReviewImportForm(forms.Form):
    """From which run, and what to draw."""

    run = forms.ChoiceField(
        label=gettext_lazy("Run of sift"),
        choices=lambda: [(run, run) for run in runs_offered()],
        help_text=gettext_lazy("Finished ones of manage.py pretrain and apply_document_review."),
    )
    name = forms.SlugField(label=gettext_lazy("Name of the review"), max_length=64)
    size = forms.IntegerField(
        label=gettext_lazy("Documents to draw"), min_value=1, max_value=MOST, initial=400
    )
    people_each = forms.IntegerField(
        label=gettext_lazy("People for each"), min_value=1, max_value=MOST_PEOPLE, initial=1
    )


@login_required
@require_POST
def review_import(request: HttpRequest, slug: str) -> HttpResponse:
    """Ask a worker to draw a review."""
    project = _for_site_admins(request, slug)
    form = ReviewImportForm(request.POST)
    if not form.is_valid():
        field, errors = next(iter(form.errors.items()))
        messages.error(request, f"{form[field].label}: {errors[0]}")
        return redirect("document-reviews", slug=slug)
    try:
        import_start(project, **form.cleaned_data, actor=signed_in(request))
    except AccordError as error:
        messages.error(request, str(error))
    return redirect("document-reviews", slug=slug)


@login_required
@never_cache
@require_GET
def review_imports(request: HttpRequest, slug: str) -> HttpResponse:
    """How far imports are, as a part of the page."""
    project = project_for(signed_in(request), slug, ADMINISTER)
    return render(request, "reviewing/_imports.html", {"project": project, **imports_shown(project)})


@login_required
@require_POST
def review_import_restart(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Ask again for an import that has lost its worker."""
    project = _for_site_admins(request, slug)
    try:
        import_restart(get_object_or_404(ReviewImport, pk=pk, project=project), actor=signed_in(request))
    except AccordError as error:
        messages.error(request, str(error))
    return redirect("document-reviews", slug=slug)


def imports_shown(project: Project) -> dict[str, object]:
    """The newest imports, and whether one is under way."""
    jobs = list(project.review_imports.all()[:NUM_SHOWN])
    running = (ReviewImport.State.WAITING, ReviewImport.State.RUNNING)
    return {
        "imports": [(job, is_stale(job)) for job in jobs],
        "importing": any(job.state in running and not is_stale(job) for job in jobs),
    }


def _for_site_admins(request: HttpRequest, slug: str) -> Project:
    """Runs belong to the whole site. Raises NotFound or Forbidden."""
    user = signed_in(request)
    project = project_for(user, slug, ADMINISTER)
    if not user.is_admin:
        raise Forbidden(_("Runs belong to the whole site: ask one of its admins to draw a review."))
    return project
