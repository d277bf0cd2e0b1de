"""`/events/?topics=round:5,rounds`: the stream of events for a page. Who may hear of what, the caller says.

The address is in `web.urls`, above the apps whose objects the topics name.
"""

from collections.abc import Callable, Mapping
from importlib import import_module

from django.conf import settings
from django.contrib.auth import get_user
from django.core.exceptions import PermissionDenied
from django.core.handlers.asgi import ASGIRequest
from django.db import connection
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _

from accounts.auth import signed_in
from accounts.errors import AccordError, Invalid, NotFound
from accounts.models import User
from live.publishing import person_topic
from live.stream import event_stream

MOST_TOPICS = 20

Guard = Callable[[User, int], None]
"""Raises NotFound or Forbidden where the person may not see that object; 0 for a topic without a number."""


def events_response(request: HttpRequest, guards: Mapping[str, Guard]) -> HttpResponseBase:
    """The stream for `topics` of the query; `guards` has who may hear, by kind of topic.

    401 without a login, for a script cannot follow to the login page. 204, which tells browsers not to come
    back, on a server that is not ASGI: it would need a thread for each page, and pages can do without.
    """
    if not request.user.is_authenticated:
        return HttpResponse(status=401)
    user = signed_in(request)
    topics = frozenset(filter(None, request.GET.get("topics", "").split(",")))
    if not topics or len(topics) > MOST_TOPICS:
        raise Invalid(_("Name the topics to hear of, such as topics=round:5, and at most 20."))
    _check(user, topics, guards)
    if not isinstance(request, ASGIRequest):
        return HttpResponse(status=204)
    session_key = request.session.session_key

    def allowed() -> bool:
        asked = HttpRequest()
        asked.session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
        person = get_user(asked)
        if not isinstance(person, User) or person.pk != user.pk:
            return False
        try:
            _check(person, topics, guards)
        except (AccordError, PermissionDenied):
            return False
        return True

    response = StreamingHttpResponse(
        event_stream(
            topics,
            private=frozenset([person_topic(user.pk)]),
            since=request.headers.get("Last-Event-ID", ""),
            allowed=allowed,
            session_seconds=request.session.get_expiry_age(),
        ),
        content_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )
    connection.close()  # or it would be kept for as long as the page is open
    return response


def _check(user: User, topics: frozenset[str], guards: Mapping[str, Guard]) -> None:
    for topic in sorted(topics):
        kind, _colon, number = topic.partition(":")
        if kind not in guards or (number and not number.isdecimal()):
            raise NotFound(_("There is no topic %(topic)s.") % {"topic": topic})
        guards[kind](user, int(number or 0))
