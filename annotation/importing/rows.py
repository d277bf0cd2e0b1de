"""What every reader gives: a row with its place, or a refusal, counted against the limits of the import."""

from dataclasses import dataclass
from typing import Any

from annotation.importing.limits import Limits
from annotation.importing.refusal import Reason, RowRefused

MAX_ROW_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Row:
    """One JSON object and its place; `where` as in `Refusal`."""

    line: int
    fields: dict[str, Any]  # Any: JSON of someone else
    where: str = "line"


class Ration:
    """What is left of the limits, over all files of one import."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._bytes = 0
        self._rows = 0

    def take(self, num_bytes: int, num_rows: int) -> None:
        """Count what was read. Raises RowRefused once it is too much."""
        self._bytes += num_bytes
        self._rows += num_rows
        if self._bytes > self._limits.max_bytes:
            raise RowRefused(
                Reason.TOO_MUCH,
                f"unpacked it has more than {self._limits.max_bytes} bytes; the rows so far are kept. "
                "Split it, or raise IMPORT_MAX_BYTES",
            )
        if self._rows > self._limits.max_rows:
            raise RowRefused(
                Reason.TOO_MUCH,
                f"it has more than {self._limits.max_rows} rows; those so far are kept. "
                "Split it, or raise IMPORT_MAX_ROWS",
            )
