"""Each request gets an id, is counted and timed by route, and leaves a line in the log.

The id comes from the proxy's `X-Request-ID` where it has the form of one, else it is drawn here; the answer
carries it, so that what a person reports is found in the logs.
"""

import logging
import re
import secrets
import time
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from prometheus_client import Histogram

from observing.context import log_ids

logger = logging.getLogger("accord.requests")
HEADER = "X-Request-ID"
ID = re.compile(r"[0-9A-Za-z-]{8,64}")
UNKNOWN = "unknown"
"""The route of an address that there is not: what people mistype must not become labels."""

REQUEST_SECONDS = Histogram(
    "accord_request_seconds",
    "Time to the answer, or to the beginning of one that streams.",
    ["method", "route", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class RequestMiddleware:
    """The outermost of all."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get(HEADER, "")
        number = given if ID.fullmatch(given) else secrets.token_hex(8)
        began = time.perf_counter()
        with log_ids(request=number):
            response = self.get_response(request)
            seconds = time.perf_counter() - began
            method = request.method if request.method in METHODS else "OTHER"
            match = request.resolver_match
            route = UNKNOWN if match is None else f"/{match.route}"
            REQUEST_SECONDS.labels(method, route, response.status_code).observe(seconds)
            if logger.isEnabledFor(logging.INFO):
                logger.info(
                    "%s %s %s",
                    method,
                    route,
                    response.status_code,
                    extra={
                        "method": method,
                        "route": route,
                        "status": response.status_code,
                        "milliseconds": round(1000 * seconds, 1),
                        "client": request.META.get("REMOTE_ADDR", ""),
                        "user": _user_number(request),
                    },
                )
        response.headers[HEADER] = number
        return response


def _user_number(request: HttpRequest) -> int | None:
    """Who asked, if that is known by now: looking it up for the log would cost a statement."""
    user = request.__dict__.get("_cached_user") or request.__dict__.get("user")
    number = getattr(user, "pk", None)
    return number if isinstance(number, int) else None
