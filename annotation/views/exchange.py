"""The page that brings judgements in and takes them out: filters, downloads, uploads and how far they are."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from accounts.auth import signed_in
from accounts.errors import AccordError, Invalid
from annotation.downloads import chosen_by, export_response
from annotation.exported import filter_choices, judgements_matching
from annotation.filters import PARAMETERS, PreferenceFilter
from annotation.forms.exchange import ExportForm, FilterForm, ImportForm
from annotation.models import ImportJob, Project, SavedFilter
from annotation.permissions import ADMINISTER, REVIEW, project_for
from annotation.services.exchange import filter_delete, filter_save
from annotation.services.import_jobs import import_restart, import_start, is_stale
from annotation.views.projects import project_frame

NUM_IMPORTS = 8
IMPORT_IDS = "import_%s"
"""Other forms of the page have fields of the same names."""


@login_required
@require_GET
def exchange(request: HttpRequest, slug: str) -> HttpResponse:
    """The page; the filter of its address is filled in."""
    project = project_for(signed_in(request), slug, REVIEW)
    return _page(request, project, ImportForm(auto_id=IMPORT_IDS))


@login_required
@require_GET
def exchange_count(request: HttpRequest, slug: str) -> HttpResponse:
    """How much the filter takes, or what is wrong with it: a part of the page."""
    project = project_for(signed_in(request), slug, REVIEW)
    return render(request, "annotation/_exchange_count.html", _counted(request, project)[1])


@login_required
@require_GET
def exchange_download(request: HttpRequest, slug: str) -> HttpResponseBase:
    """The file."""
    project = project_for(signed_in(request), slug, REVIEW)
    form = ExportForm(request.GET)
    if not form.is_valid():
        raise Invalid(_("Choose one of the forms and files of the page, and try again."))
    chosen = chosen_by(request.GET, project)
    return export_response(
        request, project, chosen, form.cleaned_data["format"], form.cleaned_data["encoding"]
    )


@login_required
@require_POST
def exchange_filter_save(request: HttpRequest, slug: str) -> HttpResponse:
    """Keep the posted filter under the posted name."""
    user = signed_in(request)
    project = project_for(user, slug, REVIEW)
    try:
        chosen = chosen_by(request.POST, project)
        saved = filter_save(project, request.POST.get("name", ""), chosen, actor=user)
    except AccordError as error:
        messages.error(request, str(error))
        return _go(_address(project, request.POST))
    messages.success(request, _("Saved as “%(name)s”.") % {"name": saved.name})
    return _go(_address(project, saved=saved.name))


@login_required
@require_POST
def exchange_filter_delete(request: HttpRequest, slug: str) -> HttpResponse:
    """Forget a filter."""
    user = signed_in(request)
    project = project_for(user, slug, REVIEW)
    filter_delete(project, request.POST.get("name", ""), actor=user)
    messages.success(request, _("The filter is gone; what was exported with it stays."))
    return redirect("project-exchange", slug=slug)


@login_required
@require_POST
def exchange_import(request: HttpRequest, slug: str) -> HttpResponse:
    """Take a file; a worker reads it."""
    user = signed_in(request)
    project = project_for(user, slug, ADMINISTER)
    form = ImportForm(request.POST, request.FILES, auto_id=IMPORT_IDS)
    if not form.is_valid():
        return _page(request, project, form, status=422)
    given = form.cleaned_data
    kind = ImportJob.Kind(given["kind"])
    options = {"format": given["format"], "round": given["round"]}
    import_start(project, given["file"], kind=kind, options=options, actor=user)
    return redirect(reverse("project-exchange", args=[slug]) + "#imports")


@login_required
@require_GET
def exchange_imports(request: HttpRequest, slug: str) -> HttpResponse:
    """How far the imports are: a part of the page, asked for again while one is at work."""
    project = project_for(signed_in(request), slug, ADMINISTER)
    return render(request, "annotation/_imports.html", {"project": project, **_imports(project)})


@login_required
@require_POST
def exchange_import_restart(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Start a job again whose worker is gone."""
    user = signed_in(request)
    project = project_for(user, slug, ADMINISTER)
    import_restart(get_object_or_404(ImportJob, pk=pk, project=project), actor=user)
    return redirect(reverse("project-exchange", args=[slug]) + "#imports")


def _page(request: HttpRequest, project: Project, form: ImportForm, status: int = 200) -> HttpResponse:
    chosen, counted = _counted(request, project)
    # The form shows what a saved filter holds, as if it had been chosen by hand.
    shown = QueryDict(mutable=True)
    for name, value in chosen.as_parameters():
        shown.appendlist(name, value)
    context = {
        **project_frame(request, project),
        **counted,
        **_imports(project),
        "filter_form": FilterForm(filter_choices(project), shown),
        "edited_only": chosen.edited_only,
        "safe_only": chosen.safe_only,
        "export_form": ExportForm(),
        "import_form": form,
        "saved_filters": SavedFilter.objects.filter(project=project).select_related("created_by"),
        "saved_name": request.GET.get("saved", ""),
    }
    return render(request, "annotation/project_exchange.html", context, status=status)


def _counted(request: HttpRequest, project: Project) -> tuple[PreferenceFilter, dict[str, object]]:
    try:
        chosen = chosen_by(request.GET, project)
    except AccordError as error:
        return PreferenceFilter(), {"project": project, "filter_error": str(error)}
    number = judgements_matching(project, chosen).count()
    return chosen, {"project": project, "num_matching": number, "takes_all": chosen.takes_all}


def _imports(project: Project) -> dict[str, object]:
    jobs = list(ImportJob.objects.filter(project=project).select_related("created_by")[:NUM_IMPORTS])
    return {
        "imports": [(job, is_stale(job)) for job in jobs],
        "importing": any(job.state in ("waiting", "running") for job in jobs),
    }


def _go(address: str) -> HttpResponse:
    """Let htmx open the address; its request itself shows nothing."""
    return HttpResponse(status=204, headers={"HX-Redirect": address})


def _address(project: Project, parameters: QueryDict | None = None, *, saved: str = "") -> str:
    query = QueryDict(mutable=True)
    for name in PARAMETERS:
        query.setlist(name, parameters.getlist(name) if parameters is not None else [])
    if saved:
        query["saved"] = saved
    return f"{reverse('project-exchange', args=[project.slug])}?{query.urlencode()}"
