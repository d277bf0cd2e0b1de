"""`manage.py import_prompts FILE --project P`: prompts from JSON lines, Parquet or a folder."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.errors import AccordError
from annotation.import_settings import import_limits
from annotation.importing import prompts as prompt_format
from annotation.importing.prompts import read_prompts
from annotation.management.commands._report import (
    data_named,
    end_with_status,
    project_named,
    write_masked,
    write_refusal,
    write_summary,
)
from annotation.models import Project
from annotation.services import project_create, prompts_import


class Command(BaseCommand):
    """Import prompts."""

    help = f"Import prompts. {prompt_format.__doc__}"

    def add_arguments(self, parser: CommandParser) -> None:
        """The file, the project, and what is held out."""
        parser.add_argument("file", type=Path, help="JSON lines (also gzip), Parquet, or a `datasets` folder")
        parser.add_argument("--project", required=True)
        parser.add_argument("--create", action="store_true", help="make the project if it is not there")
        parser.add_argument(
            "--holdout",
            type=float,
            default=0.0,
            metavar="SHARE",
            help="the share to hold out for evaluation, of the prompts that name no split",
        )
        parser.add_argument(
            "--split", action="append", default=[], help="only this split of a folder; repeatable"
        )
        parser.add_argument("--strict", action="store_true", help="end with status 1 if any row is refused")

    def handle(self, *args: object, **options: Any) -> None:  # Any: Django's parsed options
        """Read, write, tell."""
        if not 0 <= options["holdout"] < 1:
            raise CommandError("--holdout must be a share from 0 to below 1.")
        path = data_named(options["file"])
        try:
            counts = prompts_import(
                _project(options["project"], create=options["create"]),
                read_prompts(path, limits=import_limits(), splits=options["split"]),
                holdout=options["holdout"],
                on_refusal=lambda refusal: write_refusal(self.stderr, refusal),
            )
        except AccordError as error:
            raise CommandError(str(error)) from error
        write_summary(
            self.stdout,
            noun="prompts",
            read=counts.read,
            kept=counts.kept,
            already_there=counts.already_there,
            refused=counts.refused,
        )
        write_masked(self.stdout, counts.masked)
        end_with_status(
            kept=counts.kept,
            already_there=counts.already_there,
            refused=counts.refused,
            strict=options["strict"],
        )


def _project(slug: str, *, create: bool) -> Project:
    if create and not Project.objects.filter(slug=slug).exists():
        return project_create(slug=slug)
    return project_named(slug)
