"""Logging in, and one's own account: password, sessions and API tokens."""

from typing import Any

from allauth.account.views import LoginView
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import PasswordChangeForm
from django.contrib.auth.views import LogoutView
from django.db import transaction
from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts.auth import signed_in
from accounts.models import ApiToken, User
from accounts.services import audit_record, token_create, token_revoke
from accounts.sessions import session_end, session_moved, sessions_end_others, sessions_list
from live.publishing import person_topic, publish
from web.forms import TokenForm


class SignIn(LoginView):
    """allauth's login."""

    template_name = "web/login.html"

    def get_form(self, form_class: type[Form] | None = None) -> Form:
        """One begins to type at once; labels say what is asked for, so nothing stands in the fields."""
        form: Form = super().get_form(form_class)
        for name in ("login", "password"):
            form.fields[name].widget.attrs.pop("placeholder", None)
        form.fields["login"].widget.attrs["autofocus"] = True
        return form

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:  # Any: as Django has it
        """Also the OpenID provider, if there is one."""
        return {**super().get_context_data(**kwargs), "oidc": settings.ACCORD_OIDC}


login_view = SignIn.as_view()


@require_POST
def logout_view(request: HttpRequest) -> HttpResponseBase:
    """End the session, and with it the streams of events that it has open."""
    user = request.user
    with transaction.atomic():
        response = LogoutView.as_view()(request)
        if isinstance(user, User):
            audit_record(user, "user.logout", user, {})
    if isinstance(user, User):
        publish(person_topic(user.pk))
    return response


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def account(request: HttpRequest) -> HttpResponse:
    """Who one is, and one's tokens; a new token's secret is in the answer to its making, and nowhere else."""
    user = signed_in(request)
    form = TokenForm(request.POST or None)
    secret = None
    if request.method == "POST" and form.is_valid():
        name, scopes = form.cleaned_data["name"], form.cleaned_data["scopes"]
        secret = token_create(user, name=name, expires_at=form.expires_at, scopes=scopes)[1]
        form = TokenForm()
    context = {
        "form": form,
        "secret": secret,
        "tokens": _tokens(user),
        "sessions": sessions_list(user, this=request.session.session_key),
    }
    return render(request, "web/account.html", context, status=422 if form.errors else 200)


def _tokens(user: User) -> QuerySet[ApiToken]:
    is_over = Q(expires_at__isnull=False, expires_at__lte=timezone.now())
    return ApiToken.objects.filter(user=user).annotate(is_over=ExpressionWrapper(is_over, BooleanField()))


@login_required
@require_POST
def token_revoke_view(request: HttpRequest, pk: int) -> HttpResponse:
    """End one of one's own tokens."""
    user = signed_in(request)
    token = get_object_or_404(ApiToken, pk=pk, user=user)
    token_revoke(token, actor=user)
    messages.success(request, _("The token %(name)s works no more.") % {"name": token.name})
    return redirect("account")


@login_required
@require_POST
def session_end_view(request: HttpRequest, pk: int) -> HttpResponse:
    """Sign one of one's own sessions out, and with it the streams of events that are open."""
    user = signed_in(request)
    session_end(user, pk)
    publish(person_topic(user.pk))
    messages.success(request, _("That session is signed out."))
    return redirect("account")


@login_required
@require_POST
def sessions_end_others_view(request: HttpRequest) -> HttpResponse:
    """Sign out everywhere but here."""
    user = signed_in(request)
    sessions_end_others(user, this=request.session.session_key)
    publish(person_topic(user.pk))
    messages.success(request, _("You are signed out everywhere else."))
    return redirect("account")


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def password_change_view(request: HttpRequest) -> HttpResponse:
    """A new password; the session goes on, others of the same person end."""
    form = PasswordChangeForm(signed_in(request), request.POST or None)
    if request.method == "POST" and form.is_valid():
        before = request.session.session_key
        with transaction.atomic():
            user = form.save()
            update_session_auth_hash(request, user)
            session_moved(before=before, after=request.session.session_key)
            sessions_end_others(user, this=request.session.session_key)
            audit_record(user, "user.password", user, {})
        publish(person_topic(user.pk))
        messages.success(request, _("Your password is changed, and you are signed out everywhere else."))
        return redirect("account")
    return render(request, "web/password.html", {"form": form}, status=422 if form.errors else 200)
