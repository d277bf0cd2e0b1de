"""`manage.py backup OUT`: database, files and keys, consistent with each other, while work goes on."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.errors import AccordError
from upkeep.backing_up import backup_make
from upkeep.management.commands._passphrase import passphrase_add, passphrase_of
from upkeep.progress import megabytes


class Command(BaseCommand):
    """Back up."""

    help = "Back up database, files and keys into a folder of backups; only what changed is copied again."

    def add_arguments(self, parser: CommandParser) -> None:
        """Where to, and what becomes of keys and of earlier backups."""
        parser.add_argument("out", type=Path, help="the folder of backups, best on another disk")
        parser.add_argument(
            "--keys",
            choices=["plain", "encrypted", "none"],
            default="plain",
            help="as they are for their owner alone (default), under a passphrase, or left out",
        )
        passphrase_add(parser)
        parser.add_argument("--keep", type=int, help="keep only so many of the newest backups")

    def handle(self, *args: object, **options: Any) -> None:  # Any: Django's parsed options
        """Make one and say what is in it."""
        if options["keep"] is not None and options["keep"] < 1:
            raise CommandError("--keep must be 1 or more: the new backup itself stays.")
        try:
            made = backup_make(
                options["out"],
                keys=options["keys"],
                passphrase=passphrase_of(options),
                keep=options["keep"],
                say=self.stderr.write,
            )
        except (AccordError, OSError) as error:
            raise CommandError(str(error)) from error
        told = made.manifest
        self.stdout.write(
            f"Backup {told.name}: database {megabytes(told.database_bytes)}, {len(told.files)} files with "
            f"{megabytes(told.num_bytes)}, of which {made.num_read} were copied "
            f"({megabytes(made.bytes_read)}); keys: {told.keys}. Audit log: {told.audit_head}"
        )
        for problem in told.problems:
            self.stderr.write(f"Not whole before the backup: {problem}")
