"""How far a long copy is, and how long it will take yet: a line a second at most."""

import time
from collections.abc import Callable

Say = Callable[[str], None]
SECONDS = 1.0


class CopyProgress:
    """Bytes done of bytes to do."""

    def __init__(self, what: str, total: int, say: Say) -> None:
        self._what, self._total, self._say = what, total, say
        self._done, self._began, self._said = 0, time.monotonic(), time.monotonic()

    def add(self, num_bytes: int) -> None:
        """So many more are done."""
        self._done += num_bytes
        now = time.monotonic()
        if now - self._said < SECONDS:
            return
        self._said = now
        rate = self._done / (now - self._began)
        left = max(0, self._total - self._done) / rate if rate else 0.0
        self._say(
            f"{self._what}: {megabytes(self._done)} of {megabytes(self._total)}, "
            f"{rate / 1e6:.0f} MB/s, {left:.0f} s left"
        )


def megabytes(num_bytes: int) -> str:
    """As people read sizes: "0.3 MB", "1,200.0 MB"."""
    return f"{num_bytes / 1e6:,.1f} MB"
