"""Inviting people, and the page where somebody who was invited makes their account."""

from allauth.account.internal.flows.login import perform_password_login
from allauth.account.models import Login
from allauth.decorators import rate_limit
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.auth import signed_in
from accounts.errors import AccordError, Conflict, Invalid, NotFound
from accounts.models import Role, User
from annotation.forms.invitations import InvitationForm, JoinForm
from annotation.models import Invitation
from annotation.services.invitations import (
    invitation_accept,
    invitation_create,
    invitation_find,
    invitation_revoke,
)

INVITED = "invitation"
"""Where the session of somebody invited has the secret: so it stands in no address after the first."""
MOST_SHOWN = 100


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def invitations(request: HttpRequest) -> HttpResponse:
    """The newest invitations, and a new one: its link is in the answer to its making, and nowhere else."""
    admin = _admin(request)
    form = InvitationForm(request.POST or None, initial={"projects": request.GET.getlist("project")})
    link = ""
    if request.method == "POST" and form.is_valid():
        told = form.cleaned_data
        _made, secret = invitation_create(
            role=Role(told["role"]),
            expires_at=form.expires_at,
            note=told["note"],
            projects=told["projects"],
            project_role=Role(told["project_role"]),
            actor=admin,
        )
        path = reverse("join-by-link", args=[secret])
        link = f"{settings.ACCORD_SITE_URL}{path}" if settings.ACCORD_SITE_URL else ""
        link = link or request.build_absolute_uri(path)
        form = InvitationForm()
    newest = Invitation.objects.select_related("created_by", "accepted_by").prefetch_related("projects")
    context = {"form": form, "link": link, "invitations": newest[:MOST_SHOWN]}
    return render(request, "annotation/invitations.html", context, status=422 if form.errors else 200)


@login_required
@require_POST
def invitation_revoke_view(request: HttpRequest, pk: int) -> HttpResponse:
    """The link works no more."""
    invitation_revoke(get_object_or_404(Invitation, pk=pk), actor=_admin(request))
    messages.success(request, _("The invitation is revoked: its link works no more."))
    return redirect("invitations")


@require_GET
@never_cache
@rate_limit(action="login", limit_get=True)
def join_by_link(request: HttpRequest, secret: str) -> HttpResponse:
    """The link that was sent: on to the page, without the secret in its address."""
    if not request.user.is_authenticated:
        invitation_find(secret)
        request.session[INVITED] = secret
    return redirect("join")


@require_http_methods(["GET", "POST"])
@never_cache
@rate_limit(action="login")
def join(request: HttpRequest) -> HttpResponseBase:
    """The account that was offered: a name and a password for it, or an identity at the OpenID provider."""
    if request.user.is_authenticated:
        raise Conflict(
            _("You are logged in as %(name)s: log out first to make another account by an invitation.")
            % {"name": request.user.get_username()}
        )
    secret = request.session.get(INVITED)
    if not secret:
        raise NotFound(_("Open the link of your invitation once more, in this browser."))
    invitation = invitation_find(secret)
    form = JoinForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        name, password = form.cleaned_data["username"], form.cleaned_data["password"]
        try:
            user = invitation_accept(secret, username=name, password=password)
        except (Conflict, Invalid) as error:
            _say(form, error)
        else:
            del request.session[INVITED]
            response: HttpResponseBase = perform_password_login(
                request, {"username": name}, Login(user=user, email_verification="none")
            )
            return response
    context = {"form": form, "invitation": invitation, "oidc": settings.ACCORD_OIDC}
    return render(request, "annotation/join.html", context, status=422 if form.errors else 200)


def _say(form: JoinForm, error: AccordError) -> None:
    form.add_error("username" if isinstance(error, Conflict) else "password", str(error))


def _admin(request: HttpRequest) -> User:
    user = signed_in(request)
    if not user.is_admin:
        raise PermissionDenied(_("Only admins of the whole site invite people: ask one of them."))
    return user
