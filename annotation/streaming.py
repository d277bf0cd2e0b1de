"""Long answers, piece by piece: the same for the web server, which is asynchronous, and for others."""

from collections.abc import AsyncIterator, Iterator

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse


def stream(
    request: HttpRequest, pieces: Iterator[bytes], *, name: str, content_type: str
) -> StreamingHttpResponse:
    """A file to download, made while it is sent: it is never in memory as a whole."""
    return StreamingHttpResponse(
        # Of a plain iterator Django's asynchronous handler would make a list first.
        _one_by_one(pieces) if isinstance(request, ASGIRequest) else pieces,
        content_type=content_type,
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )


async def _one_by_one(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    # In the request's own thread, which holds its database connection.
    take = sync_to_async(lambda: next(pieces, None), thread_sensitive=True)
    while (piece := await take()) is not None:
        yield piece
