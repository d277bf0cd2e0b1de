"""The page of a project's sampling weights."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.auth import signed_in
from accounts.errors import Invalid
from annotation.permissions import ADMINISTER, project_for
from annotation.services import weights_set
from annotation.services.weights import group_shares
from annotation.views.projects import project_frame


@login_required
@require_http_methods(["GET", "POST"])
def project_weights(request: HttpRequest, slug: str) -> HttpResponse:
    """How often prompts of each domain and language are asked, and the form that changes it."""
    user = signed_in(request)
    project = project_for(user, slug, ADMINISTER)
    error = ""
    if request.method == "POST":
        try:
            weights_set(project, _weights(request), actor=user)
        except Invalid as refused:
            error = str(refused)
        else:
            messages.success(request, _("Saved. It holds for pairs that are made from now on."))
            return redirect("prompt-weights", slug=slug)
    groups = group_shares(project)
    context = {
        **project_frame(request, project),
        "groups": groups,
        "bars": [(f"{each.domain}, {each.language}", round(100 * each.share, 1)) for each in groups],
        "weighted": project.prompt_weights.exists(),
        "error": error,
    }
    return render(request, "annotation/project_weights.html", context, status=422 if error else 200)


def _weights(request: HttpRequest) -> dict[tuple[str, str], float]:
    """From the rows of the table. Raises Invalid where one is no number."""
    if "equal" in request.POST:
        return {}
    rows = zip(*(request.POST.getlist(name) for name in ("domain", "language", "weight")), strict=False)
    try:
        return {(domain, language): float(weight) for domain, language, weight in rows}
    except ValueError as error:
        raise Invalid(_("A weight is a number from 0 to 1000: 0 asks none of these prompts.")) from error
