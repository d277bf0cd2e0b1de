"""How many requests the live server is working on: a test may empty the database only when there are none."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.core.signals import request_finished, request_started

QUIET_SECONDS = 0.15
LONGEST_WAIT_SECONDS = 20.0


class RequestsInFlight:
    """Counts from the server's own signals, in all of its threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._number = 0
        self._last_change = time.monotonic()

    def wait_for_quiet(self) -> None:
        """Until no request has been there for a moment: pages send what is left when they are closed."""
        give_up = time.monotonic() + LONGEST_WAIT_SECONDS
        while time.monotonic() < give_up:
            with self._lock:
                if self._number <= 0 and time.monotonic() - self._last_change > QUIET_SECONDS:
                    return
            time.sleep(0.02)
        raise AssertionError(f"{self._number} requests are still going on")

    def started(self, **_: object) -> None:
        """One more."""
        self._change(1)

    def finished(self, **_: object) -> None:
        """One less."""
        self._change(-1)

    def _change(self, by: int) -> None:
        with self._lock:
            self._number += by
            self._last_change = time.monotonic()


@contextmanager
def requests_in_flight() -> Iterator[RequestsInFlight]:
    """Count while the block runs."""
    counter = RequestsInFlight()
    request_started.connect(counter.started, weak=False)
    request_finished.connect(counter.finished, weak=False)
    try:
        yield counter
    finally:
        request_started.disconnect(counter.started)
        request_finished.disconnect(counter.finished)
