"""What django-allauth asks us: who may have an account, and who gets in. Named by the settings."""

from datetime import timedelta
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.auth_backends import AuthenticationBackend
from allauth.account.internal.flows.login import get_authentication_records
from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.errors import SignInFailed
from accounts.models import User
from accounts.oidc_provider import OidcProvider
from accounts.services import audit_record

OIDC = "socialaccount"
"""What django-allauth calls a login by the provider."""


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth is not typed
    """Nobody makes an account by themselves, and our pages say in their own words what was done."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """No: an admin makes accounts."""
        return False

    def authenticate(self, request: HttpRequest, **credentials: Any) -> AbstractBaseUser | None:
        """Who this is. Those whose account was closed hear what a wrong password hears."""
        user: AbstractBaseUser | None = super().authenticate(request, **credentials)
        return user if user is not None and user.is_active else None

    def login(self, request: HttpRequest, user: AbstractBaseUser) -> None:
        """Everything that was asked for is right: the session is theirs from here on."""
        assert isinstance(user, User), user
        records = get_authentication_records(request, user)
        ways = [record.get("type", record["method"]) for record in records]
        provider: OidcProvider | None = settings.ACCORD_OIDC
        with transaction.atomic():
            super().login(request, user)
            if provider is not None and OIDC in ways:
                # At that time, however much it is used until then.
                request.session.set_expiry(timezone.now() + timedelta(hours=provider.session_hours))
            audit_record(user, "user.login", user, {"by": ways})

    def respond_user_inactive(self, request: HttpRequest, user: AbstractBaseUser) -> HttpResponse:
        """Those whose account was closed, and who came by a way that names them: a passkey, say."""
        raise SignInFailed(_("Your account here was closed: ask an admin of this site."))

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        """What failures are counted for: the name alone, whichever of the site's addresses was asked."""
        return str(credentials.get("username", "")).lower()

    def add_message(self, *args: object, **kwargs: object) -> None:
        """Nothing: a login that worked shows itself."""


class ExactNameBackend(AuthenticationBackend):  # type: ignore[misc]  # allauth is not typed
    """Names are told apart by case: allauth's own lets in neither of two that differ in nothing else."""

    def _authenticate_by_username(self, username: str, password: str) -> AbstractBaseUser | None:
        user: AbstractBaseUser | None = self._check_password(
            User.objects.filter(username=username).first(), password
        )
        return user
