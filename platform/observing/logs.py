"""Log lines as JSON, one object each, for collectors of logs; and as text with the same ids, for people."""

import json
import logging
import time
from typing import Any

from observing.context import current_ids

KNOWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "request"}
"""What every record has; anything else was given as `extra`."""


class JsonFormatter(logging.Formatter):
    """`{"time", "level", "logger", "message", ids…, extra…, "exception"}`; times are UTC, RFC 3339."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        seconds, milliseconds = divmod(round(record.created * 1000), 1000)
        told: dict[str, Any] = {  # Any: JSON
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{milliseconds:03d}Z",
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **current_ids(),
            **{name: value for name, value in vars(record).items() if name not in KNOWN},
        }
        if record.exc_info:
            told["exception"] = self.formatException(record.exc_info)
        return json.dumps(told, ensure_ascii=False, default=str)


class LineFormatter(logging.Formatter):
    """Text, with the ids behind the message where there are any."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, and a traceback below it."""
        ids = " ".join(f"{name}={value}" for name, value in current_ids().items())
        line = super().format(record)
        if not ids:
            return line
        first, newline, rest = line.partition("\n")
        return f"{first} [{ids}]{newline}{rest}"
