"""The edits of a project that lost when somebody else judged them again, and leaving one out of the data."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from accounts.auth import signed_in
from accounts.errors import AccordError
from accounts.models import User
from annotation.figures.edits_again import lost_edit_ids, lost_edits
from annotation.models import Check, Project
from annotation.permissions import ADMINISTER, project_for
from annotation.services.edits_left_out import edit_leave_out as leave_out
from annotation.views.projects import project_frame

EDITS_PER_PAGE = 10


@login_required
@require_GET
def edits_lost(request: HttpRequest, slug: str) -> HttpResponse:
    """With what each changed and who said what; those of one `person`, if asked."""
    project = project_for(signed_in(request), slug, ADMINISTER)
    person = _person(project, request.GET.get("person", ""))
    ids = lost_edit_ids(project, None if person is None else person.pk)
    page = Paginator(ids, EDITS_PER_PAGE).get_page(request.GET.get("page"))
    context = {
        **project_frame(request, project),
        "person": person,
        "page": page,
        "edits": lost_edits(list(page)),
        "filters": urlencode({"person": person.username}) if person else "",
    }
    return render(request, "annotation/edits_lost.html", context)


@login_required
@require_POST
def edit_leave_out(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Leave the edit of this check out of the data: a decision that keeps what was preferred."""
    user = signed_in(request)
    project = project_for(user, slug, ADMINISTER)
    check = get_object_or_404(Check, pk=pk, project=project, kind=Check.Kind.EDIT)
    try:
        leave_out(check, actor=user)
        messages.success(request, _("Left out. It can be undone under “Disagreements”, “Decided”."))
    except AccordError as error:
        messages.error(request, str(error))
    person = request.POST.get("person", "").replace("\0", "")
    back = reverse("edits-lost", args=[slug])
    return redirect(f"{back}?{urlencode({'person': person})}" if person else back)


def _person(project: Project, name: str) -> User | None:
    """Who of the project's editors is called so."""
    if not name or "\0" in name:
        return None
    return User.objects.filter(
        username=name, judgements__edit_check__project=project, judgements__edit_check__isnull=False
    ).first()
