"""Says that something has changed, once the change is committed, to every page that shows it.

A topic is a kind and a number, `round:5`, or a kind alone, `rounds`. It carries nothing of what changed: the
page asks for that, with the rights of whoever looks at it. The bus is Valkey's pub/sub and keeps nothing:
while it is away nothing is said, and pages ask afresh when it is back (`live.hub`).
"""

import functools
import logging
import threading
import time

import redis
from django.conf import settings
from django.db import transaction
from redis.backoff import NoBackoff
from redis.retry import Retry

CHANNEL = "accord:live"
TIMEOUT_SECONDS = 0.5
SILENT_SECONDS = 2.0
"""How long a bus that did not answer is left alone: whoever writes must not wait for it each time."""

logger = logging.getLogger(__name__)


def publish(*topics: str) -> None:
    """Say after the commit that what `topics` name has changed. Never raises: pages can do without."""
    said = " ".join(topics)
    transaction.on_commit(lambda: _publisher().say(said))


def person_topic(user_id: int) -> str:
    """What a person may see has changed: their streams check it again."""
    return f"person:{user_id}"


class Publisher:
    """This process's connection to the bus; safe to use from all threads."""

    def __init__(self, url: str) -> None:
        self._client = redis.Redis.from_url(
            url,
            socket_connect_timeout=TIMEOUT_SECONDS,
            socket_timeout=TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 1),  # a kept connection may have been closed since
        )
        self._lock = threading.Lock()
        self._silent_until = 0.0

    def say(self, said: str) -> None:
        """Send it, unless the bus has just been found away."""
        if time.monotonic() < self._silent_until:
            return
        try:
            self._client.publish(CHANNEL, said)
        except (redis.RedisError, OSError) as error:
            with self._lock:
                self._silent_until = time.monotonic() + SILENT_SECONDS
            logger.debug("a live event was not sent, pages will ask: %s", error)


@functools.cache
def _publisher() -> Publisher:
    return Publisher(settings.CELERY_BROKER_URL)
