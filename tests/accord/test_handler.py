"""The way from ASGI into Django: whole answers, streams, and clients that go away."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import path
from django.utils import translation

from accord.handler import ThreadedHandler
from accord.urls import urlpatterns as site_urlpatterns

pytestmark = [pytest.mark.urls(__name__), pytest.mark.django_db]

Message = dict[str, Any]  # Any: as ASGI has it
NUM_PARTS = 1000
taken: list[str] = []


def echo(request: HttpRequest) -> HttpResponse:
    response = HttpResponse(request.body.upper())
    response.set_cookie("seen", "yes")
    return response


def program_echo(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.body.upper() + f" {translation.get_language()}".encode())


def stream(request: HttpRequest) -> StreamingHttpResponse:
    def parts() -> Iterator[str]:
        for number in range(NUM_PARTS):
            taken.append(threading.current_thread().name)
            yield f"{number}\n"

    return StreamingHttpResponse(parts())


def asynchronous_stream(request: HttpRequest) -> StreamingHttpResponse:
    async def parts() -> AsyncIterator[str]:
        yield "first\n"
        await asyncio.sleep(60)

    return StreamingHttpResponse(parts())


def language(request: HttpRequest) -> HttpResponse:
    before = translation.get_language()
    translation.activate("zh-hans")
    return HttpResponse(str(before))


urlpatterns = [
    path("echo", echo),
    path("api/echo", program_echo),
    path("stream", stream),
    path("asynchronous", asynchronous_stream),
    path("language", language),
    *site_urlpatterns,  # error pages link to them
]


def ask(
    where: str,
    body: bytes = b"",
    *,
    gone: Callable[[list[Message]], bool] = lambda _: False,
    handler: ThreadedHandler | None = None,
    headers: Mapping[bytes, bytes] = MappingProxyType({}),
) -> Any:
    """Send one request as a server would; the client is gone as soon as `gone(what it has got)`."""
    application = handler or ThreadedHandler()

    async def exchange() -> list[Message]:
        got: list[Message] = []
        waiting = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Message:
            if waiting:
                return waiting.pop()
            while not gone(got):
                await asyncio.sleep(0.005)
            return {"type": "http.disconnect"}

        async def send(message: Mapping[str, Any]) -> None:
            got.append(dict(message))
            await asyncio.sleep(0)

        scope = {
            **{"type": "http", "method": "GET", "path": f"/{where}", "query_string": b"", "scheme": "http"},
            **{
                "headers": [(b"host", b"127.0.0.1"), *headers.items()],
                "server": ("127.0.0.1", 80),
                "client": ("127.0.0.1", 1),
            },
        }
        await asyncio.wait_for(application(scope, receive, send), 30)
        return got

    return asyncio.run(exchange())


def text(messages: list[Message]) -> str:
    return b"".join(message.get("body", b"") for message in messages).decode()


def test_a_request_is_answered_with_status_headers_cookies_and_body() -> None:
    start, *rest = ask("echo", b"hello " * 50_000)
    assert start["status"] == 200
    headers = dict(start["headers"])
    assert headers[b"Set-Cookie"].startswith(b"seen=yes")
    assert headers[b"Content-Security-Policy"]
    assert text(rest) == "HELLO " * 50_000


def test_what_is_not_there_is_404() -> None:
    start, *rest = ask("nowhere")
    assert start["status"] == 404
    assert "Not Found" in text(rest)


def test_a_stream_is_read_in_one_thread_part_by_part() -> None:
    taken.clear()
    messages = ask("stream")
    assert text(messages).splitlines() == [str(number) for number in range(NUM_PARTS)]
    assert len(messages) == NUM_PARTS + 2
    assert messages[-1].get("more_body", False) is False
    assert len(set(taken)) == 1
    assert threading.current_thread().name not in taken


def test_a_stream_ends_when_its_reader_has_gone() -> None:
    taken.clear()
    messages = ask("stream", gone=lambda got: len(got) > 3)
    assert 3 < len(messages) < NUM_PARTS
    assert len(taken) < NUM_PARTS


def test_an_asynchronous_stream_ends_when_its_reader_has_gone() -> None:
    assert text(ask("asynchronous", gone=lambda got: len(got) > 1)) == "first\n"


def test_a_language_set_for_one_request_does_not_reach_the_next() -> None:
    handler = ThreadedHandler()
    assert [text(ask("language", handler=handler)) for _ in range(2)] == ["en", "en"]


def test_a_program_is_answered_without_what_is_for_browsers_in_the_language_that_it_asks_for() -> None:
    headers = {b"authorization": b"Bearer wrong", b"accept-language": b"zh-hans"}
    start, *rest = ask("api/echo", b"hello", headers=headers)
    sent = dict(start["headers"])
    assert text(rest) == "HELLO zh-hans" and sent[b"Content-Length"] == b"13"
    assert sent[b"Content-Security-Policy"] and sent[b"X-Content-Type-Options"] == b"nosniff"
    assert b"X-Frame-Options" not in sent
    start, *_ = ask("api/nowhere", headers=headers)
    assert start["status"] == 404
    # With a cookie it may be a browser after all.
    start, *_ = ask("api/echo", headers={**headers, b"cookie": b"sessionid=none"})
    assert dict(start["headers"])[b"X-Frame-Options"] == b"DENY"
