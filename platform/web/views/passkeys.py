"""Passkeys on django-allauth's views: adding and removing them, and being let in by one."""

import json
from typing import Any

from allauth.account.decorators import reauthentication_required
from allauth.account.internal.flows.login import perform_login
from allauth.account.models import Login
from allauth.account.utils import get_next_redirect_url
from allauth.mfa.base.internal.flows import post_authentication
from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn.forms import AddWebAuthnForm, LoginWebAuthnForm, ReauthenticateWebAuthnForm
from allauth.mfa.webauthn.internal.auth import begin_registration
from allauth.mfa.webauthn.internal.flows import remove_authenticator
from allauth.mfa.webauthn.views import AddWebAuthnView, LoginWebAuthnView, ReauthenticateWebAuthnView
from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from accounts.auth import signed_in
from accounts.errors import Conflict
from accounts.second_factor import SecondFactorAdapter
from accounts.services import audit_record
from web.required_factor import HAS
from web.views.second_factor import asked_or_sent

MALFORMED = (AttributeError, KeyError, TypeError, ValueError)
"""What parsing raises for what no browser sends."""
LONGEST_NAME = 100


class PasskeyForm(AddWebAuthnForm):
    """A new passkey: one that lets in by itself, and asks for a finger, a face or a PIN."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # Any: as Django has it
        super().__init__(*args, **kwargs)
        del self.fields["passwordless"]
        name = self.fields["name"]
        assert isinstance(name, forms.CharField), name
        name.label, name.help_text = _("Name"), _("So that you can tell your passkeys apart.")
        name.widget.attrs |= {"maxlength": str(LONGEST_NAME), "autocomplete": "off"}

    def clean_name(self) -> str:
        """Never too long to be shown: the passkey is in the device already."""
        return str(super().clean_name())[:LONGEST_NAME]

    def clean(self) -> dict[str, Any]:  # Any: Django's cleaned data
        """What the browser gave must be of this page, and must have asked who is there."""
        self.cleaned_data["passwordless"] = True
        try:
            cleaned: dict[str, Any] = super().clean()
        except MALFORMED as error:
            raise forms.ValidationError(_misfit()) from error
        return cleaned


class EnterForm(LoginWebAuthnForm):
    """A passkey in the place of name and password."""

    def clean_credential(self) -> Authenticator:
        """The passkey that it is."""
        try:
            return super().clean_credential()
        except MALFORMED as error:
            raise forms.ValidationError(_misfit()) from error


class AgainForm(ReauthenticateWebAuthnForm):
    """A passkey of who is signed in."""

    def clean_credential(self) -> Authenticator:
        """The passkey that it is."""
        try:
            return super().clean_credential()
        except MALFORMED as error:
            raise forms.ValidationError(_misfit()) from error


class AddPasskey(AddWebAuthnView):
    """Another passkey."""

    template_name = "web/passkey_add.html"

    def get_form_class(self) -> type[Form]:
        """Ours."""
        return PasskeyForm

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:  # Any: as Django has it
        """With what the browser must know."""
        context = {**super().get_context_data(**kwargs), **kwargs}
        context.setdefault("form", self.get_form())
        return {**context, "options": json.dumps(begin_registration(signed_in(self.request), True))}

    def form_valid(self, form: Form) -> HttpResponseBase:
        """The browser made one."""
        user = signed_in(self.request)
        with transaction.atomic():
            response: HttpResponseBase = super().form_valid(form)
            audit_record(user, "second_factor.add", user, {"kind": "webauthn"})
        messages.success(self.request, _("The passkey is there: you can log in with it."))
        return response

    def form_invalid(self, form: Form) -> HttpResponseBase:
        """It does not fit."""
        return self.render_to_response(self.get_context_data(form=form), status=422)


class EnterByPasskey(LoginWebAuthnView):
    """The login page's other button."""

    def get_form_class(self) -> type[Form]:
        """Ours."""
        return EnterForm

    def form_valid(self, form: Form) -> HttpResponseBase:
        """It counts as both: something that one has, and what the device asked for."""
        passkey = form.cleaned_data["credential"]
        post_authentication(self.request, passkey, passwordless=True)
        login = Login(
            user=passkey.user,
            email_verification="none",
            redirect_url=get_next_redirect_url(self.request),
        )
        response: HttpResponseBase = perform_login(self.request, login)
        return response

    def form_invalid(self, form: Form) -> HttpResponseBase:
        """It is of no account, or was removed."""
        messages.error(self.request, _misfit())
        return redirect("login")


class AgainByPasskey(ReauthenticateWebAuthnView):
    """A passkey once more, for people without a password."""

    template_name = "web/passkey_again.html"

    def get_form_class(self) -> type[Form]:
        """Ours."""
        return AgainForm

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:  # Any: as Django has it
        """With what the browser must know."""
        context: dict[str, Any] = super().get_context_data(**kwargs)
        return {**context, "options": json.dumps(context["js_data"]["request_options"])}

    def form_invalid(self, form: Form) -> HttpResponseBase:
        """Not one of theirs."""
        messages.error(self.request, _misfit())
        return redirect(self.request.get_full_path())


@login_required
@never_cache
@require_POST
def passkey_remove(request: HttpRequest, pk: int) -> HttpResponseBase:
    """It lets nobody in any more."""
    passkeys = Authenticator.objects.filter(type=Authenticator.Type.WEBAUTHN, user=signed_in(request))
    return _passkey_remove(request, get_object_or_404(passkeys, pk=pk))


@reauthentication_required(app="allauth.mfa")
def _passkey_remove(request: HttpRequest, passkey: Authenticator) -> HttpResponse:
    user = signed_in(request)
    if not SecondFactorAdapter().can_delete_authenticator(passkey):
        raise Conflict(_("Your role asks for a second factor: set up another one first."))
    with transaction.atomic():
        remove_authenticator(request, passkey)
        audit_record(user, "second_factor.remove", user, {"kind": "webauthn"})
    request.session.pop(HAS, None)
    messages.success(request, _("The passkey is removed. Delete it in your device or browser too."))
    return redirect("mfa_index")


def _misfit() -> str:
    return _("This passkey does not fit: it may have been removed here. Try again, or log in another way.")


add_passkey = never_cache(asked_or_sent(AddPasskey.as_view()))
enter_by_passkey = never_cache(asked_or_sent(EnterByPasskey.as_view()))
again_by_passkey = never_cache(asked_or_sent(AgainByPasskey.as_view()))
