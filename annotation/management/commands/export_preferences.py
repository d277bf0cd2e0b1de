"""`manage.py export_preferences --project P --out FILE`: a project's judgements for others."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.errors import AccordError
from annotation.exporting import ENDINGS, FORMATS, write_preferences
from annotation.management.commands._report import project_named
from annotation.selectors import exported_records


class Command(BaseCommand):
    """Export preferences."""

    help = "Export a project's judgements, without those of flagged or withdrawn comparisons."

    def add_arguments(self, parser: CommandParser) -> None:
        """The project, the format and the file."""
        parser.add_argument("--project", required=True)
        parser.add_argument("--format", choices=FORMATS, default=FORMATS[0])
        parser.add_argument("--out", type=Path, required=True, help=f"ends in {', '.join(ENDINGS)}")
        parser.add_argument("--round", type=int, action="append", help="only this round; repeatable")

    def handle(self, *args: object, **options: Any) -> None:  # Any: Django's parsed options
        """Read and write."""
        path: Path = options["out"]
        rounds = set(options["round"]) if options["round"] else None
        try:
            records = exported_records(project_named(options["project"]), rounds=rounds)
            count = write_preferences(path, records, options["format"])
        except (AccordError, ValueError) as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"{path} cannot be written: {error.strerror}.") from error
        self.stdout.write(f"wrote {count} rows to {path}")
