"""Asking again: after pauses that grow and differ, and only what is safe to ask twice."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from accord_client.errors import ConnectionLost

BUSY = frozenset({429, 502, 503, 504})
REFUSED = frozenset({429})
"""The server has done nothing: even what is not safe may be asked again."""
NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


@dataclass(frozen=True, kw_only=True)
class Retrying:
    """How often to ask, and how long to wait in between."""

    num_tries: int = 8
    first_pause: float = 0.2
    """Seconds before the second try at most; twice as many before each further one."""
    longest_pause: float = 20.0
    """Seconds; also of what a server may ask for in `Retry-After`."""

    def __post_init__(self) -> None:
        if self.num_tries < 1 or self.first_pause < 0 or self.longest_pause < 0:
            raise ValueError("There must be at least one try, and pauses cannot be negative.")

    def call(self, send: Callable[[], httpx.Response], *, safe: bool) -> httpx.Response:
        """The server's answer, whatever it says in the end.

        `safe`: doing it twice is doing it once. Raises ConnectionLost where no answer comes.
        """
        for number in range(1, self.num_tries + 1):
            last = number == self.num_tries
            try:
                response = send()
            except httpx.TransportError as error:
                if last or not (safe or isinstance(error, NEVER_SENT)):
                    raise ConnectionLost(f"{type(error).__name__}: {error}") from error
                self.pause(number)
                continue
            if last or response.status_code not in (BUSY if safe else REFUSED):
                return response
            response.read()
            self.pause(number, asked_for=retry_after(response))
        raise AssertionError(self.num_tries)

    def pause(self, number: int, *, asked_for: float | None = None) -> None:
        """Wait after try `number`: a random part of a span that doubles, or what the server asked for."""
        drawn = random.uniform(0.5, 1.0) * self.first_pause * 2 ** (number - 1)
        time.sleep(min(self.longest_pause, drawn if asked_for is None else max(asked_for, drawn)))


def retry_after(response: httpx.Response) -> float | None:
    """The seconds that `Retry-After` asks for, as a number or as a time; None where it does not."""
    value = response.headers.get("Retry-After", "").strip()
    if value.isdecimal():
        return float(value)
    try:
        then = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (then.replace(tzinfo=then.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
