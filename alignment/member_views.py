"""One person's page in a project: pausing, another try, excluding and restoring, and what learned from them.

Here and not in annotation because it names the snapshots and checkpoints that learned from the judgements.
"""

from datetime import datetime

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from accounts.auth import signed_in
from accounts.errors import Invalid
from alignment.lineage import learned_from
from alignment.lineage_picture import learned_picture
from annotation.figures.check_figures import checked_people
from annotation.figures.edits_again import edits_again
from annotation.models import Judgement, Membership
from annotation.permissions import ADMINISTER, project_for
from annotation.services.checking import qualification_progress
from annotation.services.checks import qualification_retry
from annotation.services.pausing import (
    judgement_ids_of,
    judgements_exclude,
    judgements_restore,
    membership_pause,
    membership_resume,
    with_decisions,
)
from annotation.views.projects import project_frame

MAX_REASON = 2000


@login_required
@require_GET
def member(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """How the person does, and everything that learned from what they judged (since a date, if asked)."""
    project = project_for(signed_in(request), slug, ADMINISTER)
    membership = _membership(slug, pk)
    since, wrong_date = None, False
    try:
        since = since_of(request.GET.get("since", ""))
    except Invalid:
        wrong_date = True
    counted = judgement_ids_of(project, membership.user, Judgement.IN_AGREEMENT, since)
    excluded = judgement_ids_of(project, membership.user, (Judgement.Standing.EXCLUDED,), since)
    learned = learned_from(with_decisions(counted + excluded))
    checked = [each for each in checked_people(project) if each.membership.pk == membership.pk]
    context = {
        **project_frame(request, project),
        "membership": membership,
        "since": request.GET.get("since", ""),
        "wrong_date": wrong_date,
        "num_counted": len(counted),
        "num_excluded": len(excluded),
        "learned": learned,
        "lineage": learned_picture(learned),
        "checked": checked,
        "edits": edits_again(project).get(membership.user_id),
        "progress": qualification_progress(project, membership) if project.qualification_needed else None,
    }
    return render(request, "alignment/member.html", context)


@login_required
@require_POST
def member_act(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """What `act` says: pause, resume, give another try (retry), exclude or restore what they judged."""
    actor = signed_in(request)
    project = project_for(actor, slug, ADMINISTER)
    membership = _membership(slug, pk)
    act = request.POST.get("act")
    if act == "pause":
        reason = request.POST.get("reason", "").replace("\0", "")[:MAX_REASON]
        membership_pause(membership, reason=reason, actor=actor)
        messages.success(request, _("Paused: nothing more is handed to them here."))
    elif act == "resume":
        membership_resume(membership, actor=actor)
        messages.success(request, _("They can go on."))
    elif act == "retry":
        qualification_retry(membership, actor=actor)
        messages.success(request, _("They get another try at the qualification."))
    elif act in ("exclude", "restore"):
        since = since_of(request.POST.get("since", ""))
        move = judgements_exclude if act == "exclude" else judgements_restore
        num = len(move(project, membership.user, since=since, actor=actor).judgement_ids)
        messages.success(
            request,
            (
                ngettext("%d judgement is excluded.", "%d judgements are excluded.", num)
                if act == "exclude"
                else ngettext("%d judgement counts again.", "%d judgements count again.", num)
            )
            % num,
        )
    else:
        raise Invalid(_("Choose what to do with one of the page's buttons."))
    return redirect("member", slug=slug, pk=pk)


def since_of(text: str) -> datetime | None:
    """The beginning of a day written YYYY-MM-DD; None for all time. Raises Invalid."""
    if not text:
        return None
    try:
        day = parse_date(text)
    except ValueError:
        day = None
    if day is None:
        raise Invalid(_("Write the date as YYYY-MM-DD."))
    return timezone.make_aware(datetime(day.year, day.month, day.day))


def _membership(slug: str, pk: int) -> Membership:
    return get_object_or_404(
        Membership.objects.select_related("user", "project", "paused_by"), pk=pk, project__slug=slug
    )
