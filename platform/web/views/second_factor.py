"""The second factor on django-allauth's views: setting it up and off, recovery codes, being asked for it."""

import json
from typing import Any

from allauth.account.decorators import reauthentication_required
from allauth.account.views import ReauthenticateView
from allauth.mfa.base.views import AuthenticateView
from allauth.mfa.base.views import ReauthenticateView as ReauthenticateByCodeView
from allauth.mfa.recovery_codes.internal.flows import generate_recovery_codes, view_recovery_codes
from allauth.mfa.totp.views import ActivateTOTPView, DeactivateTOTPView
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from accounts.auth import signed_in
from accounts.second_factor import factors_of, has_factor, is_required
from accounts.services import audit_record
from web.required_factor import HAS

asked_or_sent = require_http_methods(["GET", "POST"])


@login_required
@never_cache
@require_GET
def second_factor(request: HttpRequest) -> HttpResponse:
    """What one has, and the ways to have it otherwise."""
    user = signed_in(request)
    context = {"factors": factors_of(user), "is_required": is_required(user)}
    return render(request, "web/second_factor.html", context)


class SetUpApp(ActivateTOTPView):
    """An app that makes codes: a picture for it to read, and the first code as a proof that it did."""

    template_name = "web/second_factor_app.html"

    def get_form(self, form_class: type[Form] | None = None) -> Form:
        """With the look of our forms."""
        return dressed_code(super().get_form(form_class))

    def form_valid(self, form: Form) -> HttpResponseBase:
        """The code was right."""
        user = signed_in(self.request)
        with transaction.atomic():
            response: HttpResponseBase = super().form_valid(form)
            audit_record(user, "second_factor.add", user, {"kind": "totp"})
        messages.success(self.request, _("From now on you are asked for a code when you log in."))
        return response

    def form_invalid(self, form: Form) -> HttpResponseBase:
        """It was not."""
        return self.render_to_response(self.get_context_data(form=form), status=422)


class TurnOffApp(DeactivateTOTPView):
    """No more codes."""

    template_name = "web/second_factor_off.html"

    def form_valid(self, form: Form) -> HttpResponseBase:
        """Off it is; recovery codes go with the last factor."""
        user = signed_in(self.request)
        with transaction.atomic():
            response: HttpResponseBase = super().form_valid(form)
            audit_record(user, "second_factor.remove", user, {"kind": "totp"})
        self.request.session.pop(HAS, None)
        messages.success(self.request, _("You are no longer asked for codes of the app."))
        return response


class AskedAtLogin(AuthenticateView):
    """The second question of a login."""

    template_name = "web/second_factor_login.html"

    def _build_forms(self) -> Form | None:
        posted: Form | None = super()._build_forms()
        if self.auth_form is not None:
            dressed_code(self.auth_form)
        return posted

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:  # Any: as Django has it
        """With what the browser must know of passkeys, for those who have one."""
        context: dict[str, Any] = super().get_context_data(**kwargs)
        options = context["js_data"]["request_options"]
        has_passkey = bool(options["publicKey"].get("allowCredentials"))
        return {**context, "options": json.dumps(options), "has_passkey": has_passkey}

    def form_invalid(self, form: Form) -> HttpResponseBase:
        """Wrong, used before, or too many tries."""
        response: HttpResponseBase = super().form_invalid(form)
        response.status_code = 422
        return response


class AgainByPassword(ReauthenticateView):
    """The password once more, before something that a stranger at this screen must not do."""

    template_name = "web/again.html"
    extra_context = {"what": gettext_lazy("Your password")}

    def get_form(self, form_class: type[Form] | None = None) -> Form:
        """With the look of our forms."""
        form: Form = super().get_form(form_class)
        form.fields["password"].widget.attrs.pop("placeholder", None)
        form.fields["password"].widget.attrs["autofocus"] = True
        form.fields["password"].help_text = ""
        return form

    def form_invalid(self, form: Form) -> HttpResponseBase:
        """Wrong."""
        return self.render_to_response(self.get_context_data(form=form), status=422)


class AgainByCode(ReauthenticateByCodeView):
    """A code, for people without a password."""

    template_name = "web/again.html"
    extra_context = {"what": gettext_lazy("A code")}

    def get_form(self, form_class: type[Form] | None = None) -> Form:
        """With the look of our forms."""
        return dressed_code(super().get_form(form_class))

    def form_invalid(self, form: Form) -> HttpResponseBase:
        """Wrong."""
        return self.render_to_response(self.get_context_data(form=form), status=422)


@login_required
@never_cache
@require_GET
def recovery_codes(request: HttpRequest) -> HttpResponse:
    """New recovery codes, this once; after that only that there are some."""
    codes, may_see = view_recovery_codes(request)
    if codes is None:
        raise Http404
    if not may_see:
        return redirect("mfa_generate_recovery_codes")
    return render(request, "web/recovery_codes.html", {"codes": codes.get_unused_codes()})


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def recovery_codes_new(request: HttpRequest) -> HttpResponseBase:
    """Others in their place."""
    user = signed_in(request)
    if not has_factor(user):
        return redirect("mfa_index")
    return _recovery_codes_new(request)


@reauthentication_required(app="allauth.mfa")
def _recovery_codes_new(request: HttpRequest) -> HttpResponseBase:
    user = signed_in(request)
    if request.method == "POST":
        with transaction.atomic():
            generate_recovery_codes(request)
            audit_record(user, "second_factor.codes", user, {})
        return redirect("mfa_view_recovery_codes")
    return render(request, "web/recovery_codes_new.html", {"factors": factors_of(user)})


def dressed_code(form: Form) -> Form:
    """A form that asks for a code, with the look of our forms."""
    field = form.fields["code"]
    field.label = _("Code")
    attributes: dict[str, Any] = field.widget.attrs
    attributes.pop("placeholder", None)
    attributes |= {"autofocus": True, "inputmode": "numeric", "autocomplete": "one-time-code"}
    return form


set_up_app = never_cache(asked_or_sent(SetUpApp.as_view()))
turn_off_app = never_cache(asked_or_sent(TurnOffApp.as_view()))
asked_at_login = asked_or_sent(AskedAtLogin.as_view())
again_by_password = never_cache(asked_or_sent(AgainByPassword.as_view()))
again_by_code = never_cache(asked_or_sent(AgainByCode.as_view()))
