"""What can go wrong, each with the server's own sentence."""

import httpx


class AccordClientError(Exception):
    """The base of all errors of this client."""


class ConnectionLost(AccordClientError):
    """The server stayed out of reach, or broke off, however often it was asked."""


class ExportMismatch(AccordClientError):
    """A downloaded file is not what its manifest says, time after time."""


class ApiError(AccordClientError):
    """The server said no: `status` of HTTP, `detail` in a sentence."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(f"{status}: {detail}")
        self.status = status
        self.detail = detail


class Unauthorized(ApiError):
    """401: the token is wrong, or has run out."""


class Forbidden(ApiError):
    """403: not for this person."""


class NotFound(ApiError):
    """404: there is no such thing, or none that this person may know of."""


class Conflict(ApiError):
    """409: it cannot be done in the present state of things, as where others were quicker."""


class Invalid(ApiError):
    """422: a value is wrong."""


class TooManyRequests(ApiError):
    """429: later, please."""


class ServerError(ApiError):
    """5xx: the server's own trouble."""


KINDS: dict[int, type[ApiError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    422: Invalid,
    429: TooManyRequests,
}


def raise_for(response: httpx.Response) -> None:
    """Raise the error that the answer speaks of; nothing where it speaks of none."""
    status = response.status_code
    if status < 400:
        return
    response.read()
    kind = KINDS.get(status, ServerError if status >= 500 else ApiError)
    raise kind(status, _detail(response))


def _detail(response: httpx.Response) -> str:
    try:
        detail = response.json()["detail"]
    except (ValueError, KeyError, TypeError):
        return response.reason_phrase or "the server gave no reason"
    if isinstance(detail, list):  # The checks of single fields.
        return "; ".join(_field(each) for each in detail)
    return str(detail)


def _field(each: object) -> str:
    if not isinstance(each, dict):
        return str(each)
    place = ".".join(str(part) for part in each.get("loc", ()) if part not in ("body", "query"))
    return f"{place}: {each.get('msg', 'wrong')}"
