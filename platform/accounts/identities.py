"""Whose account somebody's identity at the OpenID provider is: found, linked, made, and given its role."""

import re
from typing import Protocol

from allauth.socialaccount.models import SocialAccount
from django.db import connection, transaction
from django.utils.translation import gettext as _

from accounts.errors import SignInFailed
from accounts.models import Role, User
from accounts.oidc_provider import Claims, OidcProvider
from accounts.services import audit_record, role_set, user_create

NOT_IN_NAMES = re.compile(r"[^\w.@+-]+")
LONGEST_NAME = 100


class Make(Protocol):
    """How an account is made for somebody who was invited."""

    def __call__(self, *, username: str, email: str) -> User: ...


def identity_enter(provider: OidcProvider, subject: str, claims: Claims, *, make: Make | None = None) -> User:
    """The person with this identity, who from now on has the role that the claims give.

    One that is not known here is linked to the account with the same e-mail address, if the provider has
    verified that; else it gets an account of its own, by `make`, or if the operator wants that. Raises
    SignInFailed, and what `make` raises.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            # Somebody's first two logins at once make one account.
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [f"{provider.issuer} {subject}"])
        user = _known(provider, subject) or _linked(provider, subject, claims)
        if user is None:
            user = _made(provider, subject, claims, make)
        if not user.is_active:
            raise SignInFailed(_("Your account here was closed: ask an admin of this site."))
        role = provider.role(claims)
        if role is not None:
            role_set(user, Role(role), actor=None, by="oidc")
    return user


def identities_forget(user: User) -> None:
    """Nothing stays of what somebody who is erased was called elsewhere."""
    SocialAccount.objects.filter(user=user).delete()


def _known(provider: OidcProvider, subject: str) -> User | None:
    found = SocialAccount.objects.filter(provider=provider.issuer, uid=subject).select_related("user").first()
    return None if found is None else found.user


def _linked(provider: OidcProvider, subject: str, claims: Claims) -> User | None:
    """The one account with the address that the provider has verified."""
    email = _verified_email(claims)
    if not email:
        return None
    found = list(User.objects.select_for_update().filter(email__iexact=email, is_active=True)[:2])
    if len(found) > 1:
        raise SignInFailed(
            _("Several accounts here have your e-mail address: ask an admin of this site which is yours.")
        )
    if not found:
        return None
    (user,) = found
    if SocialAccount.objects.filter(provider=provider.issuer, user=user).exists():
        raise SignInFailed(
            _(
                "The account with your e-mail address belongs to another identity at %(name)s: ask an admin "
                "of this site."
            )
            % {"name": provider.name}
        )
    _link(provider, subject, user)
    return user


def _made(provider: OidcProvider, subject: str, claims: Claims, make: Make | None) -> User:
    if make is None and not provider.creates:
        raise SignInFailed(
            _("%(name)s knows you, and this site does not yet: ask an admin of this site for an invitation.")
            % {"name": provider.name}
        )
    # An address that nobody has verified must not lead its real owner here one day.
    user = (make or user_create)(username=_free_name(claims), email=_verified_email(claims))
    _link(provider, subject, user)
    return user


def _link(provider: OidcProvider, subject: str, user: User) -> None:
    SocialAccount.objects.create(provider=provider.issuer, uid=subject, user=user)
    audit_record(user, "user.link", user, {"provider": provider.name})


def _verified_email(claims: Claims) -> str:
    """Lower case is the same mailbox to all who compare it here."""
    email, verified = claims.get("email"), claims.get("email_verified")
    # Some providers write the boolean as a text.
    return email if isinstance(email, str) and "@" in email and verified in (True, "true") else ""


def _free_name(claims: Claims) -> str:
    told = claims.get("preferred_username") or str(claims.get("email") or "").partition("@")[0]
    stem = NOT_IN_NAMES.sub("-", str(told)).strip("-")[:LONGEST_NAME] or "person"
    taken = set(User.objects.filter(username__startswith=stem).values_list("username", flat=True))
    number = 1
    name = stem
    while name in taken:
        number += 1
        name = f"{stem}-{number}"
    return name
