"""The start page: what waits for this person, and for an admin how everything is."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from accounts.auth import signed_in
from alignment.selectors import rounds
from annotation.figures.overview import project_overviews, work_overviews
from registry.selectors import deployments
from reviewing.selectors import open_reviews

NUM_ROUNDS = 5


@login_required
@never_cache
@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """One's own work first; projects for those who look after them; rounds and models for admins."""
    user = signed_in(request)
    context: dict[str, object] = {"work": work_overviews(user), "documents": open_reviews(user)}
    if user.is_reviewer:
        projects = project_overviews(user)
        context["projects"] = projects
        context["live"] = deployments("live")
        context["tiles"] = [
            (_("Judgements"), sum(overview.num_judgements for overview in projects)),
            (_("Waiting to be judged"), sum(overview.num_open for overview in projects)),
            (_("Flagged"), sum(overview.num_flagged for overview in projects)),
            (_("Prompts"), sum(overview.num_prompts for overview in projects)),
        ]
    if user.is_admin:
        context["rounds"] = rounds()[:NUM_ROUNDS]
    return render(request, "web/home.html", context)
