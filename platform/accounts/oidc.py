"""Signing in with an OpenID provider, on django-allauth's parts: what is asked and how far it is believed.

The flow is OAuth 2.0's with a code, `state` and PKCE (RFC 7636). Beyond allauth's own: the discovery document
must be the issuer's, the ID token's signature is always checked and it holds the login's `nonce`, what the
userinfo endpoint says must be of the same person (OpenID Connect Core 1.0, sections 3.1.3.7 and 5.3.2), and
no request follows a redirect or leaves TLS but for a provider on this machine. The operator names the
provider, so the rules about where webhooks may go are not for it.
"""

import logging
import secrets
from typing import Any

import jwt
import requests
from allauth.socialaccount.models import SocialApp, SocialLogin
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from allauth.utils import build_absolute_uri
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.errors import NotFound, SignInFailed, Unavailable
from accounts.oidc_provider import OidcProvider

SECONDS = 10.0
LEEWAY_SECONDS = 60.0
"""How much the provider's clock and ours may differ."""
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""With two keys: a shared secret could be a public key that somebody passes off as one."""
LONGEST_SUBJECT = 191

Json = dict[str, Any]  # Any: JSON

logger = logging.getLogger(__name__)


def oidc_configured() -> OidcProvider:
    """The provider. Raises NotFound where the operator has named none."""
    provider: OidcProvider | None = settings.ACCORD_OIDC
    if provider is None:
        raise NotFound(_("People sign in here with a name and a password."))
    return provider


class ProviderSession(requests.Session):
    """Requests to the provider alone."""

    def request(
        self, method: str, url: str, *args: Any, **kwargs: Any
    ) -> requests.Response:  # Any: as requests has it
        """No redirect is followed, none waits for long. Raises OAuth2Error where `url` is not to be asked."""
        if not oidc_configured().may_ask(url):
            raise OAuth2Error(f"{url} is named by the provider and is not TLS")
        return super().request(method, url, *args, **{**kwargs, "timeout": SECONDS, "allow_redirects": False})


class Requests(OpenIDConnectOAuth2Adapter):
    """What is asked of the provider in the course of a login."""

    @property
    def openid_config(self) -> Json:
        """The discovery document. Raises Unavailable, or SignInFailed where it is another issuer's."""
        if not hasattr(self, "_config"):
            named = oidc_configured()
            try:
                config = self._json(self.get_provider().server_url)
                if config.get("issuer") != named.issuer:
                    raise OAuth2Error(f"its issuer is {config.get('issuer')!r}, not {named.issuer!r}")
                absent = {"authorization_endpoint", "token_endpoint", "jwks_uri"} - set(config)
                if absent:
                    raise OAuth2Error(f"it names no {', '.join(sorted(absent))}")
            except requests.RequestException as error:
                raise away(named.name, error) from error
            except OAuth2Error as error:
                raise unbelieved(named.name, error) from error
            self._config = config
        return self._config

    @property
    def basic_auth(self) -> bool:
        """Whether the secret goes into a header: the default of providers that do not say how."""
        methods = self.openid_config.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        return "client_secret_post" not in methods

    def get_callback_url(self, request: HttpRequest, app: SocialApp) -> str:
        """Where the provider sends people back to."""
        url: str = build_absolute_uri(request, reverse("oidc-callback"))
        return url

    def complete_login(
        self,
        request: HttpRequest,
        app: SocialApp,
        token: Any,  # Any: allauth's
        **kwargs: Any,
    ) -> SocialLogin:
        """Who this is, and the claims about them. Raises OAuth2Error or RequestException."""
        claims = self._id_claims(app, kwargs["response"].get("id_token"))
        if "userinfo_endpoint" in self.openid_config:
            more = self._json(
                self.openid_config["userinfo_endpoint"], headers={"Authorization": f"Bearer {token.token}"}
            )
            if more.get("sub") != claims["sub"]:
                raise OAuth2Error("the userinfo endpoint spoke of somebody else than the ID token")
            claims = {**more, **claims}
        login = self.get_provider().sociallogin_from_response(request, {"sub": claims["sub"]})
        # Beside the account: what is in it would be kept.
        login.claims = claims
        return login

    def _id_claims(self, app: SocialApp, id_token: object) -> Json:
        """The ID token's claims, by the provider's keys."""
        if not isinstance(id_token, str):
            raise OAuth2Error("it sent no ID token")
        try:
            header = jwt.get_unverified_header(id_token)
            if header.get("alg") not in ALGORITHMS:
                raise OAuth2Error(f"its ID token is signed by {header.get('alg')!r}")
            keys = jwt.PyJWKSet.from_dict(self._json(self.openid_config["jwks_uri"])).keys
            fitting = [key for key in keys if key.key_id == header.get("kid")] or keys[: len(keys) == 1]
            if not fitting:
                raise OAuth2Error(f"it has no key {header.get('kid')!r}")
            claims: Json = jwt.decode(
                id_token,
                key=fitting[0].key,
                algorithms=[header["alg"]],
                audience=app.client_id,
                issuer=self.openid_config["issuer"],
                leeway=LEEWAY_SECONDS,
                options={"require": ["iss", "sub", "aud", "exp", "iat"]},
            )
        except (jwt.PyJWTError, TypeError, ValueError) as error:
            raise OAuth2Error(f"its ID token does not hold: {error}") from error
        if not claims["sub"] or len(claims["sub"]) > LONGEST_SUBJECT:
            raise OAuth2Error("its ID token names nobody, or by a name that is too long")
        return claims

    def _json(self, url: str, **kwargs: Any) -> Json:
        with ProviderSession() as session:
            answer = session.get(url, **kwargs)
        if answer.status_code != 200:
            raise requests.HTTPError(f"{url} answered {answer.status_code}")
        told = answer.json()
        if not isinstance(told, dict):
            raise OAuth2Error(f"{url} answered no JSON object")
        return told


class Provider(OpenIDConnectProvider):
    """allauth's provider, with our requests."""

    oauth2_adapter_class = Requests

    def redirect(
        self,
        request: HttpRequest,
        process: str,
        next_url: str | None = None,
        data: Json | None = None,
        **kwargs: Any,
    ) -> HttpResponseBase:
        """The way there, with a `nonce` that the ID token must hold; it is kept with the state."""
        nonce = secrets.token_urlsafe(24)
        asked = {**self.get_auth_params(), "nonce": nonce}
        response: HttpResponseBase = super().redirect(
            request, process, next_url, data, auth_params=asked, nonce=nonce, **kwargs
        )
        return response

    def extract_extra_data(self, data: Json) -> Json:
        """Nothing is kept of what the provider said."""
        return {}


def away(name: str, error: Exception) -> Unavailable:
    """The error for people where the provider cannot be asked; the log has why."""
    logger.warning("%s cannot be asked: %s", name, error)
    return Unavailable(
        _("%(name)s cannot be reached: try again in a minute, or log in with your password.") % {"name": name}
    )


def unbelieved(name: str, error: Exception) -> SignInFailed:
    """The error for people where the provider is not believed; the log has why."""
    logger.error("%s is not believed: %s", name, error)
    return SignInFailed(
        _(
            "%(name)s answered in a way that cannot be trusted: tell the operator of this site, whose log "
            "has more."
        )
        % {"name": name}
    )
