"""What a run folder's metrics.jsonl gained: numbers by step. Pure."""

import json
import math
from dataclasses import dataclass
from pathlib import Path

NO_METRIC = frozenset({"time", "kind", "step"})


@dataclass(frozen=True, kw_only=True)
class Row:
    """The numbers of one step."""

    time: float
    """Seconds since 1970."""
    step: int
    values: dict[str, float]
    """Finite ones alone: a NaN is in the run's own log."""


def rows_since(path: Path, offset: int) -> tuple[list[Row], int]:
    """The complete rows of metrics after `offset` bytes, and the offset of what comes next."""
    if not path.exists():
        return [], offset
    with path.open("rb") as lines:
        lines.seek(offset)
        data = lines.read()
    complete = data[: data.rfind(b"\n") + 1]
    rows = [row for row in map(_row, complete.splitlines()) if row is not None]
    return rows, offset + len(complete)


def _row(line: bytes) -> Row | None:
    try:
        told = json.loads(line)
    except ValueError:  # cut off by a crash, and something was appended after it
        return None
    if told.get("kind") != "metrics":
        return None
    numbers = {
        name: float(value)
        for name, value in told.items()
        if name not in NO_METRIC and isinstance(value, int | float) and not isinstance(value, bool)
    }
    values = {name: value for name, value in numbers.items() if math.isfinite(value)}
    return Row(time=float(told.get("time", 0.0)), step=int(told["step"]), values=values)
