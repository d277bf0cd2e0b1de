"""`manage.py export_metrics`: the metrics of rounds that ran, to TensorBoard files and what is configured."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.errors import AccordError
from alignment.metrics_export.exporting import (
    metrics_export,
    tags_of,
    tracker_export,
    trackers_configured,
)
from alignment.models import Program
from pretrain.run import RunFolder


class Command(BaseCommand):
    """Export metrics."""

    help = "Export the metrics of every program, from where the last export ended. Workers do it as they run."

    def add_arguments(self, parser: CommandParser) -> None:
        """Which rounds."""
        parser.add_argument("--project", help="of this project alone")
        parser.add_argument("--round", type=int, help="of this round of it alone")

    def handle(self, *args: object, **options: Any) -> None:  # Any: Django's parsed options
        """Export and count."""
        programs = Program.objects.select_related("stage__round__project").order_by("pk")
        if options["project"]:
            programs = programs.filter(stage__round__project__slug=options["project"])
        if options["round"] is not None:
            programs = programs.filter(stage__round__number=options["round"])
        trackers = trackers_configured()
        num_rows = num_programs = 0
        for program in programs:
            num_rows += metrics_export(program, [])
            num_programs += 1
            for tracker in trackers:
                try:
                    tracker_export(
                        RunFolder(Path(program.folder)), tracker, run=str(program), tags=tags_of(program)
                    )
                except AccordError as error:
                    raise CommandError(str(error)) from error
        if not num_programs:
            raise CommandError("No program has run there: check --project and --round.")
        names = ", ".join(["TensorBoard", *(tracker.name for tracker in trackers)])
        self.stdout.write(f"{num_rows} new rows of {num_programs} programs, for {names}.")
