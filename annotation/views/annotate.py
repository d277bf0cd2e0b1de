"""The comparison page, and the comparison it shows next.

The page brings the first comparison along; its script asks for one rendered comparison after another here,
and sends drafts, judgements, skips and flags to the JSON API. No model is named in any of it.
"""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts.auth import signed_in
from accounts.models import User
from annotation.figures.overview import num_judged_today
from annotation.guidelines import guidelines_shown
from annotation.judging_words import reasons_offered, scale
from annotation.live_words import prompt_groups, turns_words
from annotation.models import Assignment, Flag, Project, Prompt
from annotation.permissions import project_for
from annotation.safety_words import safety_sides
from annotation.services import comparison_ahead, comparison_next, unfinished_requests
from annotation.services.checking import WorkStopped, qualification_of
from annotation.services.exposure import ExposureReached, NotOptedIn, opted_in


@login_required
@never_cache
@require_GET
def annotate(request: HttpRequest, slug: str) -> HttpResponse:
    """The comparison page, with the comparison in hand: nothing else is to be asked before a key grades it.

    A browser that fetches the page on a guess gets it without, and its script asks when somebody reads it.
    """
    user = signed_in(request)
    project = project_for(user, slug)
    if project.sensitive and not opted_in(project, user):
        return render(request, "annotation/sensitive.html", {"project": project})
    context = {
        "project": project,
        "num_today": num_judged_today(user, project),
        "flag_reasons": Flag.Reason.choices,
        "turns_words": turns_words(),
        **guidelines_shown(project, user),
    }
    if "prefetch" not in request.headers.get("Sec-Purpose", ""):
        template, shown = _in_hand(project, user)
        context["first"] = render_to_string(template, shown, request)
    if project.live:
        context |= prompt_groups(project)
    return render(request, "annotation/annotate.html", context)


@login_required
@never_cache
@require_POST
def annotate_next(request: HttpRequest, slug: str) -> HttpResponse:
    """The comparison that is this person's turn, rendered; or the word that there is none.

    With `?ahead=1` the one after it, for the page to keep while the person reads.
    """
    user = signed_in(request)
    project = project_for(user, slug)
    if "ahead" in request.GET:
        return _ahead(request, project, user)
    template, context = _in_hand(project, user)
    return render(request, template, context)


def _in_hand(project: Project, user: User) -> tuple[str, dict[str, object]]:
    """The fragment of the comparison that is this person's turn, or of why there is none, and its context."""
    try:
        assignment = comparison_next(project, user)
    except (ExposureReached, NotOptedIn) as refusal:
        return "annotation/_exposure.html", {"project": project, "words": str(refusal)}
    except WorkStopped as stopped:
        return "annotation/_stopped.html", {"sentence": str(stopped)}
    if assignment is None:
        waiting = any(each.state != "failed" for each in unfinished_requests(project, user))
        return "annotation/_nothing.html", {"waiting": waiting}
    return "annotation/_comparison.html", _comparison_context(project, assignment)


def _ahead(request: HttpRequest, project: Project, user: User) -> HttpResponse:
    """The comparison that will be this person's turn after the one in hand, rendered; 204 for none."""
    assignment = comparison_ahead(project, user)
    if assignment is None:
        return HttpResponse(status=204)
    return render(request, "annotation/_comparison.html", _comparison_context(project, assignment))


def _comparison_context(project: Project, assignment: Assignment) -> dict[str, object]:
    """What the fragment shows: texts and choices, and nothing that tells which model wrote what."""
    comparison = assignment.comparison
    *earlier, latest = comparison.context
    left, right = comparison.left.content, comparison.right.content
    prompt = Prompt.objects.only("language").get(dialogs=comparison.dialog_id)
    return {
        "assignment": assignment,
        "comparison": comparison,
        "lease_seconds": project.lease_seconds,
        "sensitive": project.sensitive,
        "seconds_left": max(round((assignment.expires_at - timezone.now()).total_seconds()), 0),
        "language": prompt.language,
        "earlier": earlier,
        "latest": latest,
        "answers": [("left", _("Left"), comparison.left), ("right", _("Right"), comparison.right)],
        "texts": {"left": left, "right": right},
        "draft": assignment.draft,
        "scale": scale(),
        "reasons": reasons_offered(project.reasons),
        "qualification": qualification_of(assignment),
        "safety": [(tag["value"], tag["label"]) for tag in project.safety_categories],
        "safety_sides": safety_sides(),
        "guidelines_number": project.guidelines_number,
    }
