"""Shows a program's progress on a terminal while it runs."""

import time

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from alignment.program_process import ProgramProcess
from alignment.progress import ProgressTail
from pretrain.run import RunFolder


def follow_process(process: ProgramProcess, folder: RunFolder, description: str, console: Console) -> None:
    """Draw a bar with the time left until the process ends; stop the process if we are interrupted."""
    columns = (
        TextColumn("{task.description:<20}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[unit]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    tail = ProgressTail(folder)
    try:
        with Progress(*columns, console=console) as bars:
            bar = bars.add_task(description, total=None, unit="")
            while process.running:
                time.sleep(0.3)
                row = tail.latest()
                if row is not None:
                    bars.update(
                        bar, completed=float(row["done"]), total=float(row["total"]), unit=str(row["unit"])
                    )
    finally:
        if process.running:
            process.stop()
