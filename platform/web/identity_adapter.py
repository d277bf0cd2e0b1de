"""What django-allauth asks us on its way from an OpenID provider to an account. Named by the settings."""

import logging
from functools import partial

import requests
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialApp, SocialLogin
from allauth.socialaccount.providers.base import AuthError
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from django.http import HttpRequest
from django.utils.translation import gettext as _

from accounts.errors import SignInFailed
from accounts.identities import identity_enter
from accounts.oidc import Json, Provider, ProviderSession, away, oidc_configured, unbelieved
from annotation.services.invitations import invitation_accept
from annotation.views.invitations import INVITED

logger = logging.getLogger(__name__)


class IdentityAdapter(DefaultSocialAccountAdapter):
    """The provider of the environment, the accounts that its people have, and what may go wrong."""

    def get_provider(self, request: HttpRequest, provider: str, client_id: str | None = None) -> Provider:
        """The one of the environment; none of the database."""
        named = oidc_configured()
        app = SocialApp(
            provider="openid_connect",
            provider_id=named.issuer,
            name=named.name,
            client_id=named.client_id,
            secret=named.secret(),
            settings={
                "server_url": named.issuer.rstrip("/"),
                "scope": list(named.scopes),
                "oauth_pkce_enabled": True,
            },
        )
        return Provider(request, app=app)

    def get_requests_session(self) -> requests.Session:
        """For all that is asked of the provider."""
        return ProviderSession()

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """The provider has said who this is."""
        named = oidc_configured()
        if sociallogin.claims.get("nonce") != sociallogin.state.get("nonce"):
            raise unbelieved(named.name, OAuth2Error("its ID token is of another login"))
        secret = request.session.get(INVITED)
        make = None if secret is None else partial(invitation_accept, secret, password=None, by="oidc")
        sociallogin.user = identity_enter(named, sociallogin.account.uid, sociallogin.claims, make=make)
        sociallogin.account.user = sociallogin.user
        request.session.pop(INVITED, None)

    def on_authentication_error(
        self,
        request: HttpRequest,
        provider: Provider,
        error: str | None = None,
        exception: Exception | None = None,
        extra_context: Json | None = None,
    ) -> None:
        """One of our pages, with what to do. Raises SignInFailed or Unavailable."""
        if isinstance(exception, requests.RequestException):
            raise away(provider.name, exception) from exception
        if exception is not None:
            raise unbelieved(provider.name, exception) from exception
        if "state" not in (extra_context or {}):
            raise SignInFailed(
                _("This login began too long ago, or in another browser: begin again at the login page.")
            )
        if error == AuthError.CANCELLED:
            raise SignInFailed(
                _(
                    "%(name)s did not let you through: begin again at the login page, or ask who runs "
                    "%(name)s whether you may use this site."
                )
                % {"name": provider.name}
            )
        logger.warning("%s answered a login with the error %.100r", provider.name, request.GET.get("error"))
        raise SignInFailed(
            _("%(name)s could not sign you in: begin again at the login page.") % {"name": provider.name}
        )
