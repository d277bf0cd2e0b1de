"""The guidelines beside the work, and for admins their history and the examples under them."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.auth import signed_in
from accounts.models import User
from annotation.forms.guidelines import GuidelineExampleForm
from annotation.guidelines import guideline_examples, guidelines_shown, guidelines_versions
from annotation.models import GuidelineExample, Project
from annotation.permissions import ADMINISTER, project_for
from annotation.services.guidelines import guideline_example_delete, guideline_example_save, guidelines_read
from annotation.views.projects import project_frame

VERSIONS_PER_PAGE = 20


@login_required
@never_cache
@require_GET
def guidelines_panel(request: HttpRequest, slug: str) -> HttpResponse:
    """What stands in the panel of the comparison page, anew."""
    user = signed_in(request)
    project = project_for(user, slug)
    return render(
        request, "annotation/_guidelines.html", {"project": project, **guidelines_shown(project, user)}
    )


@login_required
@require_POST
def guidelines_seen(request: HttpRequest, slug: str) -> HttpResponse:
    """The person has opened the version `number`."""
    user = signed_in(request)
    project = project_for(user, slug)
    number = request.POST.get("number", "")
    if not number.isdecimal() or len(number) > len(str(project.guidelines_number)):
        return HttpResponse(_("Say by its number which version was read."), status=422)
    guidelines_read(project, user, int(number))
    return HttpResponse(status=204)


@login_required
@require_GET
def guidelines_history(request: HttpRequest, slug: str) -> HttpResponse:
    """Every version with what changed in it."""
    project = project_for(signed_in(request), slug, ADMINISTER)
    versions = guidelines_versions(project)
    page = Paginator(versions, VERSIONS_PER_PAGE).get_page(request.GET.get("page"))
    shown = list(page)
    earlier = versions.filter(number__lt=shown[-1].number).first() if shown else None
    before = [version.text for version in shown[1:]] + [earlier.text if earlier else ""]
    context = {
        **project_frame(request, project),
        "page": page,
        "versions": [
            (version, {"before": text, "after": version.text})
            for version, text in zip(shown, before, strict=True)
        ],
    }
    return render(request, "annotation/guidelines_history.html", context)


@login_required
@require_http_methods(["GET", "POST"])
def guideline_example_list(request: HttpRequest, slug: str) -> HttpResponse:
    """All examples, and the form for one more."""
    user = signed_in(request)
    project = project_for(user, slug, ADMINISTER)
    last = guideline_examples(project).last()
    example = GuidelineExample(project=project, position=0 if last is None else last.position + 1)
    return _edited(request, project, example, user, _("The example is there."))


@login_required
@require_http_methods(["GET", "POST"])
def guideline_example_edit(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """The form of one example."""
    user = signed_in(request)
    project = project_for(user, slug, ADMINISTER)
    example = get_object_or_404(GuidelineExample, pk=pk, project=project)
    return _edited(request, project, example, user, _("Saved."))


@login_required
@require_POST
def guideline_example_remove(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Delete an example."""
    user = signed_in(request)
    project = project_for(user, slug, ADMINISTER)
    guideline_example_delete(get_object_or_404(GuidelineExample, pk=pk, project=project), actor=user)
    messages.success(request, _("The example is deleted."))
    return redirect("guideline-examples", slug=slug)


def _edited(
    request: HttpRequest, project: Project, example: GuidelineExample, user: User, done: str
) -> HttpResponse:
    """The page with the example's form; to htmx what it looks like so far; the way on once it is saved."""
    form = GuidelineExampleForm(request.POST or None, instance=example)
    is_valid = request.method == "POST" and form.is_valid()
    if request.headers.get("HX-Request") == "true":
        # Checking has put the fields into it, as far as they are right; it is not saved.
        return render(request, "annotation/_guideline_example.html", {"example": example, "is_open": True})
    if is_valid:
        guideline_example_save(example, actor=user)
        messages.success(request, done)
        return redirect("guideline-examples", slug=project.slug)
    context = {
        **project_frame(request, project),
        "form": form,
        "example": example,
        "examples": guideline_examples(project),
    }
    return render(request, "annotation/guideline_examples.html", context, status=422 if form.errors else 200)
