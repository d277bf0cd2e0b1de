"""`manage.py verify_export FILE`: whether an export is what its manifest says."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from annotation.exporting.files import FOLDER_MANIFEST
from annotation.exporting.manifest import ENDING, problems, read_manifest
from annotation.importing.refusal import Refusal
from annotation.importing.sources import read_rows
from annotation.management.commands._report import data_named


class Command(BaseCommand):
    """Verify an export."""

    help = "Check size, hash and rows of an export, a file or a folder, against its manifest."

    def add_arguments(self, parser: CommandParser) -> None:
        """The export and its manifest."""
        parser.add_argument("export", type=Path, help="the file or the folder")
        parser.add_argument("--manifest", type=Path, help=f"if it is not beside the file, as FILE{ENDING}")

    def handle(self, *args: object, **options: Any) -> None:  # Any: Django's parsed options
        """Compare, and end with status 1 where something differs."""
        path = data_named(options["export"])
        folder = path if path.is_dir() else path.parent
        beside = path / FOLDER_MANIFEST if path.is_dir() else path.with_name(path.name + ENDING)
        try:
            manifest = read_manifest(options["manifest"] or beside)
        except OSError as error:
            raise CommandError(
                f"There is no manifest {options['manifest'] or beside}: name it with --manifest."
            ) from error
        except ValueError as error:
            raise CommandError(str(error)) from error
        if path.is_file() and [file.name for file in manifest.files] != [path.name]:
            raise CommandError(f"The manifest is of {manifest.files[0].name}, not of {path.name}.")
        if found := problems(manifest, folder, _num_rows):
            raise CommandError(" ".join(found))
        self.stdout.write(
            f"{path} is whole: {manifest.rows} rows of "
            f"{manifest.judgements} judgements of {manifest.project}."
        )


def _num_rows(path: Path) -> int:
    return sum(1 for row in read_rows(path) if not isinstance(row, Refusal))
