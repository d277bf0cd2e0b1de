"""`manage.py export_preferences --project P --out FILE`: a project's judgements for others."""

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.errors import AccordError
from annotation.exported import export_of, exported_records
from annotation.exporting.encoding import ENDINGS, encoding_of
from annotation.exporting.files import FOLDER_MANIFEST, write_file, write_folder, write_manifest
from annotation.exporting.rows import FORMATS
from annotation.management.commands._filters import add_filter_arguments, filter_given
from annotation.management.commands._report import project_named
from annotation.services.exchange import export_tell


class Command(BaseCommand):
    """Export preferences."""

    help = (
        "Export a project's judgements, without those of flagged or withdrawn comparisons. The same data and "
        "filter give the same bytes."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """The project, the format, the file and the filter."""
        parser.add_argument("--project", required=True)
        parser.add_argument("--format", choices=FORMATS, default=FORMATS[0])
        parser.add_argument(
            "--out",
            type=Path,
            required=True,
            help=f"a file that ends in {', '.join(ENDINGS)}, or a folder/ of Parquet that `datasets` loads",
        )
        parser.add_argument(
            "--manifest",
            action="store_true",
            help="write counts and hash beside the file (a folder always has them)",
        )
        add_filter_arguments(parser)

    def handle(self, *args: object, **options: Any) -> None:  # Any: Django's parsed options
        """Read and write."""
        path: Path = options["out"]
        is_folder = not path.suffix or path.is_dir()
        try:
            project = project_named(options["project"])
            chosen = filter_given(project, options)
            export = export_of(
                project,
                chosen,
                format_=options["format"],
                encoding="parquet" if is_folder else encoding_of(path.name),
            )
            records = exported_records(project, chosen)
            write = write_folder if is_folder else write_file
            manifest = write(path, records, export, progress=self._progress)
            export_tell(project, manifest)
            if is_folder:
                beside = path / FOLDER_MANIFEST
            elif options["manifest"]:
                beside = write_manifest(path, manifest)
        except (AccordError, ValueError) as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"{path} cannot be written: {error.strerror}.") from error
        self.stdout.write(f"wrote {manifest.rows} rows to {path}")
        if is_folder or options["manifest"]:
            self.stdout.write(f"wrote its manifest to {beside}")

    def _progress(self, num_bytes: int) -> None:
        if sys.stderr.isatty():
            self.stderr.write(f"\r{num_bytes / 1e6:.1f} MB", ending="")
