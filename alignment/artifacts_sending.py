"""Each worker sends the new checkpoints of its machine to the storage, beside its tasks.

The clock cannot: its message goes to one worker, on whichever machine, and none of the tasks may wait for an
upload. Of many workers one sends at a time (`alignment.artifacts`).
"""

import importlib.util
import logging
import threading

from django.conf import settings
from django.db import connection

from alignment.artifacts import checkpoints_push

logger = logging.getLogger(__name__)

SECONDS = 60.0
CLIENT = "s3fs"


class Sender(threading.Thread):
    """Looks once a minute, until the worker's process ends."""

    def __init__(self, seconds: float = SECONDS) -> None:
        super().__init__(name="artifacts", daemon=True)
        self._seconds = seconds
        self.over = threading.Event()

    def run(self) -> None:
        """Send what was never sent; what goes wrong is tried again."""
        while not self.over.wait(self._seconds):
            try:
                checkpoints_push()
            except Exception:  # the database may be away: the next look may go well
                logger.exception("Checkpoints were not sent.")
            finally:
                connection.close()


def sender_start(seconds: float = SECONDS) -> Sender | None:
    """Begin, where there is a storage and this environment can speak to it."""
    if not settings.ACCORD_ARTIFACTS:
        return None
    if importlib.util.find_spec(CLIENT) is None:
        logger.info("ARTIFACTS is set and %s is not installed here: other workers send.", CLIENT)
        return None
    sender = Sender(seconds)
    sender.start()
    return sender
