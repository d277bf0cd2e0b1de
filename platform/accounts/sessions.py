"""Where a person is signed in, when each of these sessions was last used, and their end.

django-allauth notes a session's device and address at the login. Sessions are Django's rows in the database:
one whose row is gone is signed out at its next request.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from allauth.account.internal.flows.login import AUTHENTICATION_METHODS_SESSION_KEY
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone

from accounts.devices import device_name
from accounts.errors import NotFound
from accounts.models import User
from accounts.services import audit_record

LAST_SEEN_PRECISION = 60.0
"""Seconds."""
MOST_REMEMBERED = 10_000


@dataclass(frozen=True, kw_only=True)
class SignedIn:
    """One session as its owner sees it."""

    pk: int
    device: str
    address: str
    since: datetime
    last_seen: datetime
    is_this: bool
    """Is it the one that asks?"""


class LastSeenMiddleware:
    """Notes, once a minute and process, that a session was used. Without a session there is nothing to do."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        self._noted: dict[str, float] = {}

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        session = request.session
        if session.accessed and session.session_key and AUTHENTICATION_METHODS_SESSION_KEY in session:
            self._note(session.session_key)
        return response

    def _note(self, key: str) -> None:
        now = time.monotonic()
        if now - self._noted.get(key, -LAST_SEEN_PRECISION) < LAST_SEEN_PRECISION:
            return
        if len(self._noted) >= MOST_REMEMBERED:
            self._noted.clear()
        self._noted[key] = now
        UserSession.objects.filter(session_key=key).update(last_seen_at=timezone.now())


def sessions_list(user: User, *, this: str | None) -> list[SignedIn]:
    """The sessions of `user` that are not over, last used first. `this` is the key of the one that asks."""
    alive = Session.objects.filter(expire_date__gt=timezone.now()).values("session_key")
    rows = UserSession.objects.filter(user=user, session_key__in=alive).order_by("-last_seen_at", "-pk")
    return [
        SignedIn(
            pk=row.pk,
            device=device_name(row.user_agent),
            address=row.ip,
            since=row.created_at,
            last_seen=row.last_seen_at,
            is_this=row.session_key == this,
        )
        for row in rows
    ]


def session_end(user: User, pk: int) -> None:
    """Sign this session of `user` out. Raises NotFound where it is over or another person's."""
    if not _end(user, UserSession.objects.filter(user=user, pk=pk)):
        raise NotFound("There is no such session: it may be over already.")


def sessions_end_others(user: User, *, this: str | None) -> int:
    """Sign out all sessions of `user` but the one whose key is `this`; how many."""
    return _end(user, UserSession.objects.filter(user=user).exclude(session_key=this))


def sessions_forget(user: User) -> None:
    """End all sessions of somebody who is erased; nothing stays of their devices and addresses."""
    keys = list(UserSession.objects.filter(user=user).values_list("session_key", flat=True))
    Session.objects.filter(session_key__in=keys).delete()
    UserSession.objects.filter(user=user).delete()


def session_moved(*, before: str | None, after: str | None) -> None:
    """The session goes on under another key, as after a change of the password."""
    UserSession.objects.filter(session_key=before).update(session_key=after)


def _end(user: User, ended: QuerySet[UserSession]) -> int:
    with transaction.atomic():
        keys = list(ended.select_for_update().values_list("session_key", flat=True))
        if keys:
            Session.objects.filter(session_key__in=keys).delete()
            UserSession.objects.filter(session_key__in=keys).delete()
            audit_record(user, "session.end", user, {"num": len(keys)})
    return len(keys)
