"""The screen before sensitive content, and the way out of it."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.auth import signed_in
from annotation.permissions import project_for
from annotation.services.opting import sensitive_opt


@login_required
@require_POST
def sensitive_decide(request: HttpRequest, slug: str) -> HttpResponse:
    """Agree to see the project's content (`decision=in`), or stop seeing it."""
    user = signed_in(request)
    project = project_for(user, slug)
    agree = request.POST.get("decision") == "in"
    sensitive_opt(project, user, agree=agree)
    if agree:
        return redirect("annotate", slug=slug)
    messages.success(request, _("You will see no more of it. You can come back whenever you like."))
    return redirect("home")
