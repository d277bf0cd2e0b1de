"""One subscription to the bus in each web process, shared by all of its listeners.

It lives in the event loop, so nothing here needs a lock, and it begins with the first listener and ends with
the last. The newest events are kept for a while under numbers, so that a listener who comes back to the same
process learns exactly what it missed; one who comes from elsewhere is told to ask afresh.
"""

import asyncio
import math
import secrets
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakKeyDictionary

import redis.asyncio
from redis.exceptions import RedisError

from live.publishing import CHANNEL, SILENT_SECONDS

NUM_KEPT = 4096
RECONNECT_SECONDS = 1.0
LISTEN_SECONDS = 5.0
AFRESH = "afresh"
"""Something may have been missed: ask for everything once."""
AWAY = "away"
"""The bus is away: nothing will be heard until AFRESH."""
LIVE = "live"
"""Nothing was missed."""

_hubs: "WeakKeyDictionary[asyncio.AbstractEventLoop, Hub]" = WeakKeyDictionary()


def hub(url: str) -> "Hub":
    """The hub of the running event loop."""
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        _hubs[loop] = Hub(url)
    return _hubs[loop]


class Listener:
    """What one page has yet to be told. Topics wait here once each, however often they changed."""

    def __init__(self, topics: frozenset[str]) -> None:
        self.topics = topics
        self._waiting: dict[str, None] = {}
        self._woken = asyncio.Event()

    def tell(self, said: str) -> None:
        """Wake the listener with a topic, AFRESH or AWAY."""
        self._waiting[said] = None
        self._woken.set()

    async def heard(self, *, seconds: float) -> list[str]:
        """What there is to tell, as soon as there is something; nothing after `seconds`."""
        try:
            await asyncio.wait_for(self._woken.wait(), seconds)
        except TimeoutError:
            return []
        self._woken.clear()
        told, self._waiting = list(self._waiting), {}
        return told


class Hub:
    """Hears the bus and tells the listeners."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._listeners: set[Listener] = set()
        self._following: asyncio.Task[None] | None = None
        self._begin()

    @property
    def position(self) -> str:
        """The id of the newest event: what a listener gives as `since` when it comes back."""
        return f"{self._epoch}-{self._number}"

    @property
    def num_listeners(self) -> int:
        """How many pages listen here."""
        return len(self._listeners)

    @contextmanager
    def listening(self, topics: frozenset[str], *, since: str = "") -> Iterator[Listener]:
        """Be told of `topics` inside the block: first of what happened after `since`, or AFRESH."""
        listener = Listener(topics)
        if self._following is None:
            self._begin()
            self._following = asyncio.get_running_loop().create_task(self._follow())
        missed = self._missed(since)
        if missed is None:
            if self._connected:
                listener.tell(AFRESH)
        else:
            for topic in missed & topics or {LIVE}:
                listener.tell(topic)
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)
            if not self._listeners and self._following is not None:
                self._following.cancel()
                self._following = None

    def _begin(self) -> None:
        """Numbers of an earlier subscription mean nothing now."""
        self._epoch = secrets.token_hex(4)
        self._number = 0
        self._kept: deque[tuple[int, str]] = deque(maxlen=NUM_KEPT)
        self._connected = False

    def _missed(self, since: str) -> set[str] | None:
        """The topics that changed after `since`; None where we cannot know."""
        epoch, _, number = since.partition("-")
        if epoch != self._epoch or not number.isdecimal() or not self._connected:
            return None
        if self._kept and int(number) + 1 < self._kept[0][0]:
            return None
        return {topic for position, topic in self._kept if position > int(number)}

    async def _follow(self) -> None:
        """Hear the bus until the last listener has gone; come back to it whenever it goes away."""
        was_away = False
        while True:
            try:
                await self._hear(was_away=was_away)
            except (RedisError, OSError):
                self._begin()
                self._tell_all(AWAY)
                was_away = True
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _hear(self, *, was_away: bool) -> None:
        """Raises RedisError or OSError as soon as the bus is away."""
        loop = asyncio.get_running_loop()
        client = redis.asyncio.from_url(
            self._url,
            socket_connect_timeout=2,
            health_check_interval=LISTEN_SECONDS,
            decode_responses=True,
        )
        async with client, client.pubsub() as bus:
            await bus.subscribe(CHANNEL)
            # Writers that found the bus away said nothing for SILENT_SECONDS more.
            afresh_at = loop.time() + 2 * SILENT_SECONDS if was_away else math.inf
            while True:
                message = await bus.get_message(timeout=min(LISTEN_SECONDS, 2 * SILENT_SECONDS))
                if message is not None and message["type"] == "subscribe":
                    self._connected = True
                    self._tell_all(AFRESH)
                elif message is not None and message["type"] == "message":
                    self._heard(message["data"])
                if loop.time() >= afresh_at:
                    self._tell_all(AFRESH)
                    afresh_at = math.inf

    def _heard(self, said: str) -> None:
        self._number += 1
        for topic in said.split():
            self._kept.append((self._number, topic))
            for listener in self._listeners:
                if topic in listener.topics:
                    listener.tell(topic)

    def _tell_all(self, said: str) -> None:
        for listener in self._listeners:
            listener.tell(said)
