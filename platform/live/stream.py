"""The stream of server-sent events that one open page reads.

    retry: how long a browser waits before it comes back
    id: where the stream is, which the browser gives back as Last-Event-ID
    event: changed, data: the topic        something that the page shows has changed
    event: afresh                          something may have been missed: ask for everything once
    event: live                            nothing was missed
    event: away                            nothing will be heard for now
    :                                      the stream is alive

No thread and no database connection is held while nothing happens. Rights are checked when the stream begins,
before something is told if they were not checked lately, and when the person's own rights have changed; a
stream ends after a while, and coming back is checked like coming.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor

from django.conf import settings
from django.db import connections

from live.hub import AFRESH, AWAY, LIVE, hub

RETRY_MS = 2_000
HEARTBEAT_SECONDS = 15.0
CHECK_SECONDS = 15.0
LIFE_SECONDS = 900.0

_checks = ThreadPoolExecutor(4, thread_name_prefix="live-check")


async def event_stream(
    topics: frozenset[str],
    *,
    private: frozenset[str],
    since: str,
    allowed: Callable[[], bool],
    session_seconds: float,
) -> AsyncIterator[bytes]:
    """What happens to `topics`, until the reader may no longer know or should come back.

    `private` are topics that only cause `allowed` to be asked, in a thread, whether the reader still may;
    `since` is the Last-Event-ID, empty for a new page; the session ends in `session_seconds`.
    """
    loop = asyncio.get_running_loop()
    # Streams that began together, after a restart, do not all come back together.
    ends_at = loop.time() + min(session_seconds, LIFE_SECONDS * random.uniform(0.8, 1.0))
    checked_at = loop.time()
    bus = hub(settings.CELERY_BROKER_URL)
    yield f"retry: {RETRY_MS}\n\n".encode()
    with bus.listening(topics | private, since=since) as listener:
        while (left := ends_at - loop.time()) > 0:
            heard = await listener.heard(seconds=min(HEARTBEAT_SECONDS, left))
            if heard and (private.intersection(heard) or loop.time() - checked_at > CHECK_SECONDS):
                if not await loop.run_in_executor(_checks, _checked, allowed):
                    return
                checked_at = loop.time()
            told = [said for said in heard if said not in private]
            position = f"id: {bus.position}\n"
            yield "".join(position + _event(said) for said in told).encode() or f"{position}: \n\n".encode()


def _event(said: str) -> str:
    if said in (AFRESH, AWAY, LIVE):
        return f"event: {said}\ndata: {said}\n\n"
    return f"event: changed\ndata: {said}\n\n"


def _checked(allowed: Callable[[], bool]) -> bool:
    try:
        return allowed()
    finally:
        connections.close_all()  # each thread has its own, and this one may not be used again for long
