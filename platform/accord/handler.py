"""Django behind ASGI with one change of threads a request.

All our views and middleware are synchronous. Django's own ASGI handler serves such a site with a new thread
for each request and half a dozen changes between it and the event loop, which took three quarters of the
CPU time of handing out a comparison. Here a kept thread does the whole request, and the event loop only
reads and writes.
"""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

from asgiref.sync import ThreadSensitiveContext
from django.conf import settings
from django.core import signals
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, get_script_prefix
from django.core.handlers.exception import convert_exception_to_response
from django.http import FileResponse, HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import set_script_prefix
from django.utils.log import log_response
from django.utils.module_loading import import_string

Message = Mapping[str, Any]  # Any: as ASGI has it
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

MOST_THREADS = 64
"""Requests that are worked on at once; those that wait for a model hold a thread for that long."""


class ThreadedHandler(ASGIHandler):
    """Serves each request in one thread of a pool."""

    def __init__(self) -> None:
        super().__init__()
        self._threads = ThreadPoolExecutor(MOST_THREADS, thread_name_prefix="request")

    def load_middleware(self, is_async: bool = False) -> None:
        """All of it synchronous, whatever Django's handler asks for; and a second chain, for programs."""
        super().load_middleware(is_async=False)
        chain = convert_exception_to_response(self._get_response)  # type: ignore[attr-defined]
        for name in reversed(settings.ACCORD_PROGRAM_MIDDLEWARE):
            chain = convert_exception_to_response(import_string(name)(chain))
        self._program_chain = chain

    def get_response(self, request: HttpRequest) -> HttpResponseBase:
        """By the whole chain for people, by the short one for programs."""
        if not _is_program(request):
            whole = super().get_response(request)
            assert isinstance(whole, HttpResponseBase), whole  # no middleware is asynchronous
            return whole
        response = self._program_chain(request)
        assert isinstance(response, HttpResponseBase), response
        response._resource_closers.append(request.close)  # type: ignore[attr-defined]  # as Django's own does
        if response.status_code >= 400:
            log_response("%s: %s", response.reason_phrase, request.path, response=response, request=request)  # type: ignore[arg-type]
        return response

    async def handle(self, scope: Message, receive: Receive, send: Send) -> None:
        """One request, from its body to the last byte of its answer."""
        try:
            body = await self.read_body(receive)
        except RequestAborted:
            return
        loop = asyncio.get_running_loop()
        response = await self._in_thread(self._respond, scope, body)
        if not isinstance(response, StreamingHttpResponse):
            await self.send_response(response, send)
            return
        gone = loop.create_task(_gone(receive))
        try:
            if response.is_async:
                await self._send_unless_gone(response, send, gone)
            else:
                await self._in_thread(self._stream, response, send, loop, gone)
        finally:
            gone.cancel()
            await self._in_thread(response.close)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """ASGI's way in."""
        if scope["type"] != "http":
            raise ValueError(f"Only HTTP is served here, not {scope['type']}.")
        await self.handle(scope, receive, send)

    async def _in_thread(self, work: Callable[..., Any], *arguments: object) -> Any:
        """In a context of its own, so that a language or a URL scheme set for one request ends with it."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, copy_context().run, work, *arguments)

    def _respond(self, scope: Message, body: "tempfile.SpooledTemporaryFile[bytes]") -> HttpResponseBase:
        """The response; one that is whole is closed already, and the database's connection given back."""
        with body:
            set_script_prefix(get_script_prefix(scope))
            signals.request_started.send(sender=self.__class__, scope=scope)
            request, refusal = self.create_request(scope, body)
            response = refusal if request is None else self.get_response(request)
            assert response is not None, scope
            response._handler_class = self.__class__  # type: ignore[attr-defined]  # Django's own signal reads it
            if isinstance(response, FileResponse):
                response.block_size = self.chunk_size
            if not response.streaming:
                response.close()
        return response

    async def _send_unless_gone(
        self, response: StreamingHttpResponse, send: Send, gone: "asyncio.Task[None]"
    ) -> None:
        async with ThreadSensitiveContext():
            sending = asyncio.ensure_future(self.send_response(response, send))
            await asyncio.wait([sending, gone], return_when=asyncio.FIRST_COMPLETED)
            if not sending.done():
                sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    def _stream(
        self,
        response: StreamingHttpResponse,
        send: Send,
        loop: asyncio.AbstractEventLoop,
        gone: "asyncio.Task[None]",
    ) -> None:
        """Part by part, as the client takes them; all in this thread, which has the database's cursor."""

        def put(message: Message) -> None:
            asyncio.run_coroutine_threadsafe(_sent(send, message), loop).result()

        cookies = [("Set-Cookie", cookie.output(header="").strip()) for cookie in response.cookies.values()]
        headers = [
            (name.encode("ascii"), value.encode("latin1")) for name, value in [*response.items(), *cookies]
        ]
        put({"type": "http.response.start", "status": response.status_code, "headers": headers})
        for part in response:
            if gone.done():
                return
            put({"type": "http.response.body", "body": part, "more_body": True})
        put({"type": "http.response.body"})


def _is_program(request: HttpRequest) -> bool:
    """Whether it can only be let in by a bearer token: there is no session to look for."""
    return (
        request.path_info.startswith("/api/")
        and "HTTP_COOKIE" not in request.META
        and request.META.get("HTTP_AUTHORIZATION", "")[:7].lower() == "bearer "
    )


async def _gone(receive: Receive) -> None:
    """Until the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _sent(send: Send, message: Message) -> None:
    await send(message)
