"""Who is calling the API: a program with a bearer token, or one of our pages with its session."""

from django.http import HttpRequest
from ninja.security import HttpBearer, SessionAuth

from accounts.models import User
from accounts.services import token_user


class BearerToken(HttpBearer):
    """`Authorization: Bearer SECRET`."""

    def authenticate(self, request: HttpRequest, token: str) -> User | None:
        """The token's owner, who is then also `request.user`."""
        user = token_user(token)
        if user is not None:
            request.user = user
        return user


class BrowserSession(SessionAuth):
    """The session of a logged-in browser; requests that write must carry the CSRF token."""

    def __call__(self, request: HttpRequest) -> User | None:
        """The session's user. A caller without a session is nobody, not a forger: 401 and no 403."""
        if self.param_name not in request.COOKIES:
            return None
        user: User | None = super().__call__(request)
        return user


bearer_or_session = [BearerToken(), BrowserSession()]


def request_user(request: HttpRequest) -> User:
    """The person behind an API request that passed `bearer_or_session`."""
    user = request.auth  # type: ignore[attr-defined]  # django-ninja sets it
    assert isinstance(user, User), user
    return user


def signed_in(request: HttpRequest) -> User:
    """The person behind a page that only lets people in who are logged in."""
    assert isinstance(request.user, User), request.user
    return request.user
