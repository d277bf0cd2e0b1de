"""A second factor beside the password: what there is of it, for whom it is obligatory, and its reset.

django-allauth keeps secrets in its table of authenticators; here they are encrypted with a key that is made
from SECRET_KEY, so that a copy of the database alone opens no account. With another SECRET_KEY they are lost.
"""

import base64
from dataclasses import dataclass
from datetime import datetime

from allauth.core import context
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _

from accounts.devices import device_name
from accounts.errors import SignInFailed
from accounts.models import Role, User
from accounts.services import audit_record
from accounts.sessions import sessions_end_others

KEY_PURPOSE = "accounts.second_factor"
FACTORS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)
"""What counts as one; recovery codes only stand in for it."""


@dataclass(frozen=True, kw_only=True)
class Passkey:
    """One, as its owner sees it."""

    pk: int
    name: str
    made: datetime
    last_used: datetime | None


@dataclass(frozen=True, kw_only=True)
class Factors:
    """What somebody has."""

    has_app: bool
    """An app that makes codes (TOTP, RFC 6238)."""
    num_codes: int
    """Recovery codes that are left."""
    passkeys: list[Passkey]

    @property
    def has_any(self) -> bool:
        """Whether a login asks for one."""
        return self.has_app or bool(self.passkeys)


class SecondFactorAdapter(DefaultMFAAdapter):
    """What django-allauth asks us about second factors. Named by the settings."""

    def get_totp_label(self, user: AbstractBaseUser) -> str:
        """What the app calls the account."""
        return user.get_username()

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        """What devices call the site; a passkey is of the site's host alone."""
        return {**super().get_public_key_credential_rp_entity(), "name": settings.MFA_TOTP_ISSUER}

    def generate_authenticator_name(self, user: AbstractBaseUser, type: Authenticator.Type) -> str:
        """The device at hand, for a passkey that nobody gave a name."""
        return device_name(context.request.META.get("HTTP_USER_AGENT", "")) or _("Passkey")

    def encrypt(self, text: str) -> str:
        """A secret, as the database has it."""
        return _cipher().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """The secret. Raises SignInFailed where SECRET_KEY was another one."""
        try:
            return _cipher().decrypt(encrypted_text.encode()).decode()
        except InvalidToken as error:
            raise SignInFailed(
                _("Your second factor cannot be read any more: ask an admin of this site to reset it.")
            ) from error

    def can_delete_authenticator(self, authenticator: Authenticator) -> bool:
        """Whether it may go: the last one of somebody who must have one stays."""
        others = Authenticator.objects.filter(user=authenticator.user, type__in=FACTORS)
        return not is_required(authenticator.user) or bool(others.exclude(pk=authenticator.pk))


def factors_of(user: User) -> Factors:
    """What this person has, in one statement."""
    found = list(Authenticator.objects.filter(user=user).order_by("pk"))
    kinds = {each.type for each in found}
    codes = [each for each in found if each.type == Authenticator.Type.RECOVERY_CODES]
    return Factors(
        has_app=Authenticator.Type.TOTP in kinds,
        num_codes=sum(len(each.wrap().get_unused_codes()) for each in codes),
        passkeys=[
            Passkey(pk=each.pk, name=each.wrap().name, made=each.created_at, last_used=each.last_used_at)
            for each in found
            if each.type == Authenticator.Type.WEBAUTHN
        ],
    )


def has_factor(user: User) -> bool:
    """Whether this person is asked for a second factor."""
    found: bool = Authenticator.objects.filter(user=user, type__in=FACTORS).exists()
    return found


def is_required(user: User) -> bool:
    """Whether the operator asks people of this role for one."""
    role = Role.ADMIN if user.is_admin else user.role
    return role in settings.ACCORD_REQUIRE_SECOND_FACTOR


def second_factor_reset(user: User, *, actor: User | None) -> int:
    """Take all of it away from somebody who has lost it, and end their sessions; how many parts that were."""
    with transaction.atomic():
        num: int = Authenticator.objects.filter(user=user).delete()[0]
        sessions_end_others(user, this=None)
        audit_record(actor, "second_factor.reset", user, {"num": num})
    return num


def second_factors_forget(user: User) -> None:
    """Nothing stays of the second factor of somebody who is erased."""
    Authenticator.objects.filter(user=user).delete()


def _cipher() -> Fernet:
    return Fernet(base64.urlsafe_b64encode(salted_hmac(KEY_PURPOSE, "", algorithm="sha256").digest()))
