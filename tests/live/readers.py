"""A web server in this process and readers of its event streams, as many as wanted on one loop."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
import uvicorn
from django.conf import settings
from django.test import Client

from accord.handler import ThreadedHandler
from accounts.models import User


@contextmanager
def serving() -> Iterator[str]:
    """Our ASGI application under uvicorn, in a thread; gives its URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        ThreadedHandler(), lifespan="off", access_log=False, log_config=None, timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)
        listener.close()


def cookies_of(user: User) -> dict[str, str]:
    """A browser's, with a session of its own."""
    client = Client()
    client.force_login(user)
    return {settings.SESSION_COOKIE_NAME: client.cookies[settings.SESSION_COOKIE_NAME].value}


@dataclass(kw_only=True)
class Reader:
    """One open stream: what came so far."""

    status: int = 0
    events: list[tuple[str, str]] = field(default_factory=list)
    """(event, data)."""
    last_id: str = ""
    ended: bool = False

    async def read(self, url: str, topics: str, cookies: dict[str, str], *, since: str = "") -> None:
        """Until the server ends it or the reader is cancelled."""
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
        if since:
            headers["Last-Event-ID"] = since
        async with (
            httpx.AsyncClient(timeout=None, verify=False) as client,
            client.stream("GET", f"{url}/events/", params={"topics": topics}, headers=headers) as answer,
        ):
            self.status = answer.status_code
            name = ""
            async for line in answer.aiter_lines():
                kind, _, value = line.partition(": ")
                if kind == "id":
                    self.last_id = value
                elif kind == "event":
                    name = value
                elif kind == "data":
                    self.events.append((name, value))
        self.ended = True

    async def until(self, event: tuple[str, str], *, times: int = 1) -> None:
        """Wait for it."""
        async with asyncio.timeout(15):
            while self.events.count(event) < times:
                await asyncio.sleep(0.01)
