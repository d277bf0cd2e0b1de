"""`manage.py import_preferences FILE --project P`: preference data that others collected.

Formats: Accord's own records, Anthropic's hh transcripts, TRL's prompt/chosen/rejected, as JSON lines
(also gzip), Parquet, or a folder of the Hugging Face `datasets` kind. hh and TRL have no strength: their
pairs become "better".
"""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.errors import AccordError
from annotation.import_settings import import_limits
from annotation.importing.preferences import WITHOUT_STRENGTH, Format, read_preferences
from annotation.management.commands._report import (
    data_named,
    end_with_status,
    project_named,
    write_masked,
    write_refusal,
    write_summary,
)
from annotation.services import ImportCounts, preferences_import

AUTO = "auto"


class Command(BaseCommand):
    """Import preferences."""

    help = (
        "Import preference data: JSON lines (also gzip), Parquet, or a `datasets` folder. "
        'hh and TRL files have no strength: their pairs become "better". '
        "Rows that cannot be used are refused one by one, with the reason."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """The file, the project and the format."""
        parser.add_argument("file", type=Path, help="JSON lines (also gzip), Parquet, or a `datasets` folder")
        parser.add_argument("--project", required=True)
        parser.add_argument(
            "--format",
            choices=[AUTO, *(format_.value for format_ in Format)],
            default=AUTO,
            help="auto tells the format of each row by its fields",
        )
        parser.add_argument(
            "--round", type=int, help="the round they belong to, in place of the records' own"
        )
        parser.add_argument(
            "--split", action="append", default=[], help="only this split of a folder; repeatable"
        )
        parser.add_argument("--strict", action="store_true", help="end with status 1 if any row is refused")

    def handle(self, *args: object, **options: Any) -> None:  # Any: Django's parsed options
        """Read, write, tell."""
        if options["round"] is not None and options["round"] < 0:
            raise CommandError("--round must be 0 or more.")
        path = data_named(options["file"])
        format_ = None if options["format"] == AUTO else Format(options["format"])
        try:
            counts = preferences_import(
                project_named(options["project"]),
                read_preferences(path, format_, limits=import_limits(), splits=options["split"]),
                round_number=options["round"],
                on_refusal=lambda refusal: write_refusal(self.stderr, refusal),
            )
        except AccordError as error:
            raise CommandError(str(error)) from error
        self._summary(counts)
        end_with_status(
            kept=counts.kept,
            already_there=counts.already_there,
            refused=counts.refused,
            strict=options["strict"],
        )

    def _summary(self, counts: ImportCounts) -> None:
        write_summary(
            self.stdout,
            noun="judgements",
            read=counts.read,
            kept=counts.kept,
            already_there=counts.already_there,
            refused=counts.refused,
        )
        write_masked(self.stdout, counts.masked)
        for format_ in WITHOUT_STRENGTH:
            if counts.formats[format_]:
                self.stdout.write(
                    f"  {counts.formats[format_]} rows were in the {format_} format, which has no strength: "
                    'taken as "better"'
                )
