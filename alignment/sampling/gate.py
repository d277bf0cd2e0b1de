"""Shuts a model server while its weights are exchanged: ASGI middleware of the served vLLM.

Nobody may be answered by weights that the canary has not proved, nor by the old ones for one half and by
the new ones for the other; but the canary itself asks the server. So the gate, once closed, refuses every
request under /v1 with 503, except those that carry the key it was closed with, and says that it is closed
when the requests that came before are answered. A server whose exchange failed stays shut. No imports of
ours: the server loads this file.

The gate also knows which checkpoint the server holds, once it was opened for one: a request that names
another in `Accord-Checkpoint` is refused with 409: no answer of new weights passes for one of the old.

`POST /gate/close` and `POST /gate/open`, the key in the header `X-Gate-Key`, the checkpoint's content hash
in `Accord-Checkpoint`. Opening takes the key that closed it, or none where it is open.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]  # Any: the ASGI specification's own types
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

KEY_HEADER = b"x-gate-key"
CHECKPOINT_HEADER = b"accord-checkpoint"


class Gate:
    """The middleware. One server process has one gate."""

    def __init__(self, app: Application) -> None:
        self._app = app
        self._key: bytes | None = None
        self._checkpoint: bytes | None = None
        self._num_under_way = 0
        self._idle = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer for the gate, refuse, or pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        key, checkpoint = headers.get(KEY_HEADER), headers.get(CHECKPOINT_HEADER)
        is_other = None not in (checkpoint, self._checkpoint) and checkpoint != self._checkpoint
        if scope["path"] == "/gate/close":
            self._key = key
            await self._until_idle()
            await reply(send, 200, b"{}")
        elif scope["path"] == "/gate/open":
            if self._key is not None and key != self._key:
                await reply(send, 403, b'{"error": "Somebody else has closed this gate."}')
                return
            self._key, self._checkpoint = None, checkpoint
            await reply(send, 200, b"{}")
        elif not scope["path"].startswith("/v1/"):
            await self._app(scope, receive, send)
        elif self._key is not None and key != self._key:
            await reply(send, 503, b'{"error": "The weights are being exchanged: try again in a second."}')
        elif is_other and key is None:
            await reply(send, 409, b'{"error": "This server answers for another checkpoint by now."}')
        else:
            await self._counted(scope, receive, send)

    async def _counted(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._num_under_way += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._num_under_way -= 1
            if self._num_under_way == 0:
                self._idle.set()

    async def _until_idle(self) -> None:
        if self._num_under_way:
            self._idle.clear()
            await self._idle.wait()


async def reply(send: Send, status: int, body: bytes) -> None:
    """A whole JSON response."""
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if status == 503:
        headers.append((b"retry-after", b"1"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
