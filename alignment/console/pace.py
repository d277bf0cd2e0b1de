"""How fast a program goes and how long it still takes, from the rows it has written. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from alignment.console.run_files import Row

WINDOW_SECONDS = 120.0
"""The pace is that of the last minutes, not of all the time: a slow start would spoil it for hours."""


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How fast a program goes."""

    per_second: float | None
    """Steps, prompts, … a second; None before two reports."""
    tokens_per_second: float | None
    seconds_left: float | None


def pace(rows: Sequence[Row]) -> Pace:
    """The pace over the newest rows of a metrics.jsonl."""
    told = [row for row in rows if row.get("kind") == "progress" and "time" in row]
    recent = [row for row in told if row["time"] >= told[-1]["time"] - WINDOW_SECONDS]
    per_second = seconds_left = None
    if len(recent) > 1:
        first, last = recent[0], recent[-1]
        seconds, done = last["time"] - first["time"], last["done"] - first["done"]
        if seconds > 0 and done > 0:
            per_second = done / seconds
            seconds_left = max(0.0, (last["total"] - last["done"]) / per_second)
    tokens = [row["tokens_per_second"] for row in rows if row.get("tokens_per_second") is not None]
    return Pace(
        per_second=per_second,
        tokens_per_second=float(tokens[-1]) if tokens else None,
        seconds_left=seconds_left,
    )
