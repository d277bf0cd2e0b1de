"""What the pages show of a program: how far and how fast, what it uses, its curves, samples and log."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from alignment.console.curves import metric_plots, usage_plots
from alignment.console.pace import Pace, pace
from alignment.console.problems import heard_at, program_problems
from alignment.console.run_files import Row, spread_rows, tail_rows, tail_text
from alignment.models import Program
from alignment.usage import USAGE_FILE

METRICS_FILE, LOG_FILE = "metrics.jsonl", "log.txt"
LOG_BYTES = 20_000
SHORT_LOG_BYTES = 6_000
NUM_SAMPLES = 5


@dataclass(frozen=True, kw_only=True)
class ProgramNow:
    """A program as it is now."""

    program: Program
    pace: Pace
    heard: datetime | None
    """The last sign of life of its worker; None where it does not run."""
    usage: Row | None
    """The newest row of what it uses."""
    samples: list[Row]
    """The newest first."""
    percent: int


def program_now(program: Program) -> ProgramNow:
    """Read the ends of its files."""
    folder = Path(program.folder)
    rows = tail_rows(folder / METRICS_FILE)
    usage = tail_rows(folder / USAGE_FILE) if program.state == Program.State.RUNNING else []
    samples = [row for row in rows if row.get("kind") == "sample"]
    return ProgramNow(
        program=program,
        pace=pace(rows),
        heard=heard_at(program),
        usage=usage[-1] if usage else None,
        samples=samples[: -NUM_SAMPLES - 1 : -1],
        percent=round(100 * program.done / program.total) if program.total else 0,
    )


def metrics(program: Program) -> list[Row]:
    """Its metrics from all over the run."""
    return spread_rows(Path(program.folder) / METRICS_FILE)


def log(program: Program, num_bytes: int = LOG_BYTES) -> str:
    """The end of its log."""
    return tail_text(Path(program.folder) / LOG_FILE, num_bytes)


def program_page(program: Program, now: datetime) -> dict[str, Any]:  # Any: of a template
    """Everything that its page shows of its files."""
    return {
        "problems": program_problems(program, now),
        "now": program_now(program),
        "plots": metric_plots({program.name: metrics(program)}),
        "usage_plots": usage_plots(spread_rows(Path(program.folder) / USAGE_FILE)),
        "log": log(program),
    }
