"""`manage.py verify_backup OUT`: is a backup whole?"""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.errors import AccordError
from upkeep.manifest import manifest_read
from upkeep.postgres_tools import tool
from upkeep.progress import megabytes
from upkeep.proving import backup_problems


class Command(BaseCommand):
    """Verify."""

    help = "Read a whole backup and prove every content by its hash."

    def add_arguments(self, parser: CommandParser) -> None:
        """Which one."""
        parser.add_argument("out", type=Path, help="the folder of backups")
        parser.add_argument("--backup", default="", help="its name; the newest unless given")

    def handle(self, *args: object, **options: Any) -> None:  # Any: Django's parsed options
        """Read it all."""
        try:
            manifest = manifest_read(options["out"], options["backup"])
            problems = backup_problems(
                options["out"], manifest, pg_restore=tool("pg_restore"), say=self.stderr.write
            )
        except (AccordError, OSError) as error:
            raise CommandError(str(error)) from error
        if problems:
            raise CommandError("\n".join(problems))
        self.stdout.write(
            f"Backup {manifest.name} is whole: {len(manifest.files)} files, {megabytes(manifest.num_bytes)}."
        )
