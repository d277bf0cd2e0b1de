"""People whose role must have a second factor get nowhere without one (REQUIRE_SECOND_FACTOR)."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.second_factor import has_factor, is_required
from web.errors import error_page

HAS = "has_second_factor"
"""Where a session remembers that it is so; it ends when somebody's factor is reset."""

OPEN = {
    *("mfa_index", "mfa_activate_totp", "mfa_view_recovery_codes", "mfa_generate_recovery_codes"),
    *("mfa_add_webauthn", "mfa_reauthenticate_webauthn"),
    *("account_reauthenticate", "mfa_reauthenticate", "logout", "set_language"),
    *("bundle", "script-texts", "healthz", "livez", "readyz"),
}
"""Names of the routes that lead to one, and of what every page needs."""


class RequiredFactorMiddleware:
    """Sends them to the page where they set one up. Programs with tokens are not asked."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(
        self,
        request: HttpRequest,
        view: Callable[..., HttpResponseBase],
        arguments: list[object],
        keywords: dict[str, object],
    ) -> HttpResponseBase | None:
        """None where the view is for them."""
        if not settings.ACCORD_REQUIRE_SECOND_FACTOR or _is_open(request):
            return None
        user = request.user
        if not isinstance(user, User) or not is_required(user) or request.session.get(HAS):
            return None
        if has_factor(user):
            request.session[HAS] = True
            return None
        if request.path.startswith("/api/"):
            return error_page(
                request, 403, _("Your role asks for a second factor: set one up on your account page.")
            )
        return redirect("mfa_index")


def _is_open(request: HttpRequest) -> bool:
    match = request.resolver_match
    return match is not None and match.url_name in OPEN
