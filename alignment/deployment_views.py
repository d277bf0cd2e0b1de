"""The page of a project's deployments, for site admins: what answers, its history, rolling back."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from accounts.auth import signed_in
from accounts.errors import AccordError, Invalid
from alignment.deploying import models_roll_back
from alignment.deployments import LANE_HEIGHT, PER_PAGE, SPANS_WIDTH, release_rows, release_spans
from alignment.permissions import admins_project
from annotation.models import Release
from annotation.services import release_cancel
from annotation.services.releases import release_pairs_withdraw
from annotation.views.projects import project_frame


@login_required
@require_GET
def deployments(request: HttpRequest, slug: str) -> HttpResponse:
    """What answers now, what waits to, and all releases, newest first."""
    project = admins_project(signed_in(request), slug)
    page = Paginator(Release.objects.filter(project=project), PER_PAGE).get_page(request.GET.get("page"))
    rows = release_rows(project, page=page.number)
    spans = release_spans(rows)
    context = {
        **project_frame(request, project),
        "page": page,
        "rows": rows,
        "spans": spans,
        "spans_size": (SPANS_WIDTH, len(spans) * LANE_HEIGHT),
        "now": next((row for row in rows if row.release.state == Release.State.LIVE), None),
        "waiting": next((row for row in rows if row.release.state == Release.State.PENDING), None),
    }
    return render(request, "alignment/deployments.html", context)


@login_required
@require_POST
def deployments_act(request: HttpRequest, slug: str) -> HttpResponse:
    """Roll back to a release, give up the one that waits, or withdraw the open pairs of an earlier one."""
    admin = signed_in(request)
    project = admins_project(admin, slug)
    try:
        if request.POST.get("act") == "cancel":
            waiting = Release.objects.filter(project=project, state=Release.State.PENDING).first()
            if waiting is None:
                raise Invalid(_("No deploy is under way."))
            release_cancel(waiting, actor=admin)
            messages.success(request, _("The deploy is cancelled."))
        elif request.POST.get("act") == "withdraw":
            release = get_object_or_404(Release, project=project, number=_number(request, "of"))
            num = release_pairs_withdraw(release, actor=admin)
            words = ngettext("%(num)s open pair is withdrawn.", "%(num)s open pairs are withdrawn.", num)
            messages.success(request, words % {"num": num})
        else:
            to = _number(request, "to")
            release = models_roll_back(project, to=to, actor=admin)
            messages.success(request, _("Release %(number)s is on its way.") % {"number": release.number})
    except AccordError as error:
        messages.error(request, str(error))
    return redirect("deployments", slug=slug)


def _number(request: HttpRequest, field: str) -> int | None:
    number = request.POST.get(field, "")
    return int(number) if number.isascii() and number.isdecimal() and len(number) < 9 else None
