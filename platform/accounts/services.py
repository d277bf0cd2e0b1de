"""Writes over people, tokens and the audit log."""

import hashlib
import json
import secrets
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import connection, models, transaction
from django.utils import timezone

from accounts.errors import Conflict, Invalid
from accounts.models import ApiToken, Role, Scope, User, pseudonym_new
from accounts.rows import columns, fetch_one, load

TOKEN_PREFIX = "accord_"
PREFIX_CHARACTERS = len(TOKEN_PREFIX) + 4
LAST_USED_PRECISION = timedelta(minutes=1)

# By hand, because every API request runs it and composing it anew costs the ORM more than running it.
TOKEN_USER = f"""
SELECT {columns(User, "u")}, t.scopes, t.last_used_at
FROM accounts_apitoken t JOIN accounts_user u ON u.id = t.user_id
WHERE t.digest = %(digest)s AND (t.expires_at IS NULL OR t.expires_at > %(now)s) AND u.is_active
"""

# By hand for the same reason; also a part of larger statements, whose `source` gives the subject's number.
AUDIT = """
INSERT INTO accounts_auditentry (actor_id, action, subject_type, subject_id, data, created_at)
SELECT %(actor)s, %(action)s, %(subject_type)s, {subject_id}, %(data)s::jsonb, %(now)s {source}
"""
AUDIT_ALONE = AUDIT.format(subject_id="%(subject_id)s", source="")


class Grant(NamedTuple):
    """What a token opens."""

    user: User
    scopes: frozenset[str]


def user_create(
    *,
    username: str,
    role: Role = Role.ANNOTATOR,
    password: str | None = None,
    pseudonym: str | None = None,
    email: str = "",
    actor: User | None = None,
) -> User:
    """Make an account; without a password it can only be used with tokens.

    Raises Conflict where the name is taken, Invalid where the password is too weak.
    """
    if User.objects.filter(username=username).exists():
        raise Conflict(f"There is a user {username!r} already: choose another name.")
    is_admin = role == Role.ADMIN
    user = User(
        username=username,
        email=email,
        role=role,
        pseudonym=pseudonym or pseudonym_new(),
        is_staff=is_admin,
        is_superuser=is_admin,
    )
    if password is not None:
        try:
            validate_password(password, user)
        except ValidationError as error:
            raise Invalid(" ".join(error.messages)) from error
    user.set_password(password)
    with transaction.atomic():
        user.save()
        audit_record(actor, "user.create", user, {"username": username, "role": role})
    return user


def role_set(user: User, role: Role, *, actor: User | None, by: str = "") -> None:
    """Give somebody this role on the whole site, in place of the one before; `by`: who decided it elsewhere.

    A new admin also gets, and one who was loses, the rights in the database's administration.
    """
    is_admin = role == Role.ADMIN
    if user.role == role and user.is_superuser == user.is_staff == is_admin:
        return
    before = user.role
    user.role, user.is_staff, user.is_superuser = role, is_admin, is_admin
    with transaction.atomic():
        user.save(update_fields=["role", "is_staff", "is_superuser"])
        data = {"before": before, "role": role, **({"by": by} if by else {})}
        audit_record(actor, "user.role", user, data)


def token_create(
    user: User,
    *,
    name: str,
    expires_at: datetime | None = None,
    scopes: Collection[str] = tuple(Scope),
    actor: User | None = None,
) -> tuple[ApiToken, str]:
    """Make a token for `user`. The secret is returned here and never again: only its hash is kept.

    Raises Invalid without a scope, or where there is no such scope.
    """
    token, secret = token_build(user, name=name, expires_at=expires_at, scopes=scopes)
    with transaction.atomic():
        token.save()
        data = {"user": user.username, "name": name, "scopes": token.scopes}
        audit_record(actor or user, "token.create", token, data)
    return token, secret


def token_build(
    user: User,
    *,
    name: str,
    expires_at: datetime | None = None,
    scopes: Collection[str] = tuple(Scope),
) -> tuple[ApiToken, str]:
    """An unsaved token and its secret, for those who save many at once. Raises as `token_create`."""
    if not scopes or not set(scopes) <= set(Scope.values):
        raise Invalid(f"A token needs one or more of these scopes: {', '.join(Scope.values)}.")
    secret = TOKEN_PREFIX + secrets.token_urlsafe(32)
    token = ApiToken(
        user=user,
        name=name,
        digest=secret_digest(secret),
        prefix=secret[:PREFIX_CHARACTERS],
        scopes=" ".join(scope for scope in Scope.values if scope in scopes),
        expires_at=expires_at,
    )
    return token, secret


def token_revoke(token: ApiToken, *, actor: User | None) -> None:
    """The secret is worth nothing from now on."""
    with transaction.atomic():
        token.expires_at = timezone.now()
        token.save(update_fields=["expires_at"])
        audit_record(actor, "token.revoke", token, {"name": token.name})


def token_grant(secret: str) -> Grant | None:
    """Whose secret this is and what for; None where it is unknown or has run out, or the person is gone."""
    now = timezone.now()
    row = fetch_one(TOKEN_USER, {"digest": secret_digest(secret), "now": now})
    if row is None:
        return None
    scopes, last_used_at = row[-2:]
    if last_used_at is None or now - last_used_at > LAST_USED_PRECISION:
        ApiToken.objects.filter(digest=secret_digest(secret)).update(last_used_at=now)
    return Grant(load(User, row), frozenset(scopes.split()))


def audit_record(
    actor: User | None,
    action: str,
    subject: models.Model,
    data: dict[str, Any],  # Any: JSON
) -> None:
    """Write who did what, in the caller's transaction. `actor` is None for the system itself."""
    audit_record_named(actor, action, (subject._meta.label_lower, str(subject.pk)), data)


def audit_record_named(
    actor: User | None,
    action: str,
    subject: tuple[str, str],
    data: dict[str, Any],  # Any: JSON
) -> None:
    """The same for a subject that is known by its kind and number alone."""
    with connection.cursor() as cursor:
        cursor.execute(
            AUDIT_ALONE,
            {
                "actor": None if actor is None else actor.pk,
                "action": action,
                "subject_type": subject[0],
                "subject_id": subject[1],
                "data": json.dumps(data),
                "now": timezone.now(),
            },
        )


def secret_digest(secret: str) -> str:
    """What is kept of a random secret: its SHA-256, as hexadecimal digits."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
