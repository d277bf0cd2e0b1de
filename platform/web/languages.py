"""The language in which programs are told what went wrong: the one they ask for."""

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import translation


class AskedLanguageMiddleware:
    """What `LocaleMiddleware` is to browsers, without cookies and prefixes: `Accept-Language` alone."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if "HTTP_ACCEPT_LANGUAGE" not in request.META:
            return self.get_response(request)
        with translation.override(translation.get_language_from_request(request)):
            return self.get_response(request)
