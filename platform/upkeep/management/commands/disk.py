"""`manage.py disk`: what takes how much."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from upkeep.measuring import DiskReport, disk_report
from upkeep.progress import megabytes


class Command(BaseCommand):
    """Report."""

    help = "What takes the disk: by kind of file, and by folder, project and round. Links are counted once."

    def add_arguments(self, parser: CommandParser) -> None:
        """For programs."""
        parser.add_argument("--json", type=Path, help="also write it to a file")

    def handle(self, *args: object, **options: Any) -> None:  # Any: Django's parsed options
        """Look and print, the largest first."""
        report = disk_report()
        self.stdout.write(f"{megabytes(report.database_bytes):>16}  database")
        for kind, usage in sorted(report.by_kind.items(), key=lambda item: -item[1].num_bytes):
            self.stdout.write(f"{megabytes(usage.num_bytes):>16}  {kind}, {usage.num_files} files")
        self.stdout.write("")
        for (folder, part), usage in sorted(report.by_place.items(), key=lambda item: -item[1].num_bytes):
            name = "/".join(filter(None, (folder, part))) or "var itself"
            self.stdout.write(f"{megabytes(usage.num_bytes):>16}  {name}, {usage.num_files} files")
        self.stdout.write(f"\n{megabytes(report.free_bytes):>16}  free")
        if options["json"]:
            options["json"].write_text(json.dumps(_told(report), indent=2))


def _told(report: DiskReport) -> dict[str, Any]:  # Any: JSON
    places = report.by_place.items()
    return {
        "database_bytes": report.database_bytes,
        "free_bytes": report.free_bytes,
        "by_kind": {kind: vars(usage) for kind, usage in report.by_kind.items()},
        "by_place": [{"folder": folder, "part": part, **vars(usage)} for (folder, part), usage in places],
    }
