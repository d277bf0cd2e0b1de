"""A worker that was asked to end takes nothing new, and hands on what it has in hand.

A program that it runs itself saves a checkpoint and ends; one that runs as a job of a cluster runs on. The
next worker goes on from either. ACCORD_DRAIN_SECONDS is how long programs may go on first: one that ends by
itself meanwhile costs nothing.
"""

import logging
import time

from django.conf import settings

logger = logging.getLogger(__name__)


class Drain:
    """Whether this process was asked to end, and when."""

    def __init__(self) -> None:
        self._since: float | None = None

    def begin(self) -> None:
        """It was asked."""
        if self._since is None:
            self._since = time.monotonic()
            seconds = settings.ACCORD_DRAIN_SECONDS
            logger.info("The worker takes nothing new; its programs may go on for %d s.", seconds)

    def cancel(self) -> None:
        """As if it never was."""
        self._since = None

    @property
    def is_asked(self) -> bool:
        """Whether nothing new is to be begun."""
        return self._since is not None

    @property
    def is_due(self) -> bool:
        """Whether what runs is to be handed on now."""
        return self._since is not None and time.monotonic() - self._since >= settings.ACCORD_DRAIN_SECONDS


DRAIN = Drain()
"""Of this process."""
