"""The way to the OpenID provider and back."""

from allauth.account.utils import get_next_redirect_url
from allauth.decorators import rate_limit
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from accounts.oidc import Requests, oidc_configured


@require_GET
@never_cache
@rate_limit(action="login", limit_get=True)
def oidc_login(request: HttpRequest) -> HttpResponseBase:
    """Send them to the provider. By GET: a form that led to another site would be against our own policy."""
    provider = get_adapter(request).get_provider(request, oidc_configured().issuer)
    if request.user.is_authenticated:
        return redirect(get_next_redirect_url(request) or "home")
    response: HttpResponseBase = provider.redirect(
        request, process="login", next_url=get_next_redirect_url(request)
    )
    return response


@require_GET
@never_cache
@rate_limit(action="login", limit_get=True)
def oidc_callback(request: HttpRequest) -> HttpResponseBase:
    """They are back, with a code or with an error."""
    view = OAuth2CallbackView.adapter_view(Requests(request, oidc_configured().issuer))
    response: HttpResponseBase = view(request)
    return response
