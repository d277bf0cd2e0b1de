"""Wakes whoever keeps the model servers when rows of deployments or releases change.

The database itself tells, by triggers, so that no way of changing a row can forget to. A notice is only a
hint: one that was lost with its connection is made up for by the look that follows a new connection, and by
the look that everybody takes once in a while.
"""

import logging
import time

import psycopg
from django.db import connection

logger = logging.getLogger(__name__)

CHANNEL = "accord_deployments"
"""Named by the triggers of registry and annotation."""

RECONNECT_SECONDS = 0.5


class DeploymentNotices:
    """A connection of its own that listens."""

    def __init__(self) -> None:
        self._connection: psycopg.Connection[tuple[object, ...]] | None = None

    def wait(self, seconds: float) -> bool:
        """Wait for a notice, at most so long; whether it is time to look.

        True as well after a connection was made: nobody knows what happened before.
        """
        try:
            if self._connection is None:
                self._connect()
                return True
            assert self._connection is not None
            return any(True for _ in self._connection.notifies(timeout=seconds, stop_after=1))
        except psycopg.OperationalError as error:
            logger.warning("the database cannot be reached, trying again: %s", error)
            self.close()
            time.sleep(RECONNECT_SECONDS)
            return False

    def close(self) -> None:
        """Listen no more."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connect(self) -> None:
        told = connection.get_connection_params()
        names = ("dbname", "user", "password", "host", "port")
        parameters = {name: told[name] for name in names if name in told}
        self._connection = psycopg.connect(**parameters, autocommit=True)
        self._connection.execute(f"LISTEN {CHANNEL}")
