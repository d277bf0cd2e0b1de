"""`manage.py import_checks FILE --project P`: gold, attention and qualification checks from JSON lines."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.errors import AccordError
from annotation.importing import checks as check_format
from annotation.importing.checks import read_checks
from annotation.management.commands._report import (
    end_with_status,
    file_named,
    project_named,
    write_refusal,
    write_summary,
)
from annotation.services.checks import checks_import


class Command(BaseCommand):
    """Import checks."""

    help = f"Import checks. {check_format.__doc__}"

    def add_arguments(self, parser: CommandParser) -> None:
        """The file and the project."""
        parser.add_argument("file", type=Path)
        parser.add_argument("--project", required=True)
        parser.add_argument("--strict", action="store_true", help="end with status 1 if any row is refused")

    def handle(self, *args: object, **options: Any) -> None:  # Any: Django's parsed options
        """Read, write, tell."""
        path = file_named(options["file"])
        try:
            counts = checks_import(
                project_named(options["project"]),
                read_checks(path),
                on_refusal=lambda refusal: write_refusal(self.stderr, refusal),
            )
        except AccordError as error:
            raise CommandError(str(error)) from error
        write_summary(
            self.stdout,
            noun="checks",
            read=counts.read,
            kept=counts.kept,
            already_there=counts.already_there,
            refused=counts.refused,
        )
        end_with_status(
            kept=counts.kept,
            already_there=counts.already_there,
            refused=counts.refused,
            strict=options["strict"],
        )
