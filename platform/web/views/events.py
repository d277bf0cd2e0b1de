"""`/events/`: live events for pages, and who may hear of what."""

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_GET

from alignment.permissions import program_seen, round_seen, rounds_seen
from live.views import Guard, events_response

GUARDS: dict[str, Guard] = {"program": program_seen, "round": round_seen, "rounds": rounds_seen}
"""By kind of topic; a page of another app brings its own."""


@require_GET
def events(request: HttpRequest) -> HttpResponseBase:
    """The stream of what changes on the pages that ask for it."""
    return events_response(request, GUARDS)
