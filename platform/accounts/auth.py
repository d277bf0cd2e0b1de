"""Who is calling the API: a program with a bearer token, or one of our pages with its session.

A token does what its owner may do, and of that only what its scopes name. Each router is for managing, which
is the rule, or for annotating (`bearer_or_session`): what a new operation asks of a token follows from its
router and its method, so that none is forgotten.
"""

from django.http import HttpRequest
from ninja.security import HttpBearer, SessionAuth

from accounts.errors import Forbidden
from accounts.models import Scope, User
from accounts.services import token_grant

READING = ("GET", "HEAD")


class BearerToken(HttpBearer):
    """`Authorization: Bearer SECRET`, of a token that is for what is asked."""

    def __init__(self, work: Scope) -> None:
        super().__init__()
        self._work = work

    def authenticate(self, request: HttpRequest, token: str) -> User | None:
        """The token's owner, who is then also `request.user`. Raises Forbidden where a scope is missing."""
        grant = token_grant(token)
        if grant is None:
            return None
        if not grant.scopes & self._enough(request.method):
            missing = Scope.READ if request.method in READING else self._work
            raise Forbidden(
                f"This token has no scope {missing.value!r}: make one that has it on the account page."
            )
        request.user = grant.user
        return grant.user

    def _enough(self, method: str | None) -> frozenset[str]:
        """Scopes any of which is enough: who annotates also reads the work, who manages reads with `read`."""
        if method not in READING:
            return frozenset({self._work})
        return frozenset({Scope.READ, Scope.ANNOTATE} if self._work == Scope.ANNOTATE else {Scope.READ})


class BrowserSession(SessionAuth):
    """The session of a logged-in browser; requests that write must carry the CSRF token."""

    def __call__(self, request: HttpRequest) -> User | None:
        """The session's user. A caller without a session is nobody, not a forger: 401 and no 403."""
        if self.param_name not in request.COOKIES:
            return None
        user: User | None = super().__call__(request)
        return user


def bearer_or_session(work: Scope) -> list[BearerToken | BrowserSession]:
    """Who may call the operations of a router whose writing is this work."""
    return [BearerToken(work), BrowserSession()]


def request_user(request: HttpRequest) -> User:
    """The person behind an API request that passed `bearer_or_session`."""
    user = request.auth  # type: ignore[attr-defined]  # django-ninja sets it
    assert isinstance(user, User), user
    return user


def signed_in(request: HttpRequest) -> User:
    """The person behind a page that only lets people in who are logged in."""
    assert isinstance(request.user, User), request.user
    return request.user
