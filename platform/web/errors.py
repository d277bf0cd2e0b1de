"""Error pages: one template, one sentence that says what to do. Named by accord.urls and its settings.

Services say no by raising an AccordError with a status and a sentence for people; pages show that sentence.
The API turns the same errors into JSON by itself; what fails before it gets there is JSON here.
"""

import sys
from collections.abc import Callable

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.errors import AccordError

RETRY_SECONDS = 1
"""What programs are told to wait when the database is away: it is back in a moment, or not soon."""

_TITLES = {
    400: gettext_lazy("That request made no sense"),
    401: gettext_lazy("You are not signed in"),
    403: gettext_lazy("This page is not for you"),
    404: gettext_lazy("There is nothing here"),
    409: gettext_lazy("Somebody was faster"),
    410: gettext_lazy("That is over"),
    422: gettext_lazy("Something does not fit"),
    429: gettext_lazy("That was too often"),
    500: gettext_lazy("Something broke on our side"),
    503: gettext_lazy("Not just now"),
}


class AccordErrorMiddleware:
    """Shows a page for an AccordError that a view let through."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """The page for `error`, or None to leave it to Django."""
        return error_page(request, error.status, str(error)) if isinstance(error, AccordError) else None


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400: Django could not make sense of the request."""
    return error_page(request, 400, _("Go back, reload the page and try again."))


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403: signed in, but not allowed."""
    return error_page(request, 403, str(exception) or _("Ask an admin of the project if you need to see it."))


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403: a form without its token, most often because the page is older than the login."""
    return error_page(
        request, 403, _("The page was open for too long. Go back, reload it and send it again.")
    )


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404: no such page, or none that this person may know of."""
    return error_page(request, 404, _("The address may be wrong, or what was here is gone."))


def too_many_requests(request: HttpRequest) -> HttpResponse:
    """429: more attempts to log in than a person makes. django-allauth looks for it in `accord.urls`."""
    return error_page(request, 429, _("Wait a minute, then try again."))


def server_error(request: HttpRequest) -> HttpResponse:
    """500: our mistake; the log has the details. 503 where the database was away: asking again helps."""
    if isinstance(sys.exc_info()[1], InterfaceError | OperationalError):
        return _database_away(request)
    return error_page(
        request, 500, _("It has been written down. Try again in a moment; nothing you saved is lost.")
    )


def _database_away(request: HttpRequest) -> HttpResponse:
    """503, without asking the database who it is that is told."""
    sentence = _("The database is away. Nothing you saved is lost: try again in a few seconds.")
    headers = {"Retry-After": str(RETRY_SECONDS)}
    if request.path.startswith("/api/"):
        return JsonResponse({"detail": sentence}, status=503, headers=headers)
    context = {"status": 503, "title": _TITLES[503], "sentence": sentence}
    return HttpResponse(render_to_string("web/error.html", context), status=503, headers=headers)


def error_page(request: HttpRequest, status: int, sentence: str) -> HttpResponse:
    """The page that says what went wrong and what to do; for programs `{"detail": sentence}`."""
    if request.path.startswith("/api/"):
        return JsonResponse({"detail": sentence}, status=status)
    title = _TITLES.get(status, _("That did not work"))
    context = {"status": status, "title": title, "sentence": sentence}
    return render(request, "web/error.html", context, status=status)
