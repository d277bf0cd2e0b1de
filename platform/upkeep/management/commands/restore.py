"""`manage.py restore OUT`: a backup onto an empty machine."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.errors import AccordError
from upkeep.management.commands._passphrase import passphrase_add, passphrase_of
from upkeep.restoring import backup_restore


class Command(BaseCommand):
    """Restore."""

    help = "Put a backup back: DATABASE_URL names an empty database, ACCORD_VAR a new folder."
    requires_migrations_checks = False

    def add_arguments(self, parser: CommandParser) -> None:
        """From where, and which."""
        parser.add_argument("out", type=Path, help="the folder of backups")
        parser.add_argument("--backup", default="", help="its name; the newest unless given")
        passphrase_add(parser)

    def handle(self, *args: object, **options: Any) -> None:  # Any: Django's parsed options
        """Restore and say what there is."""
        try:
            told = backup_restore(
                options["out"], options["backup"], passphrase=passphrase_of(options), say=self.stderr.write
            )
        except (AccordError, OSError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"Restored backup {told.name}, of {told.created_at}: {len(told.files)} files and the database. "
            "Start the site: rounds go on where they were."
        )
        for problem in told.problems:
            self.stderr.write(f"Not whole before the backup: {problem}")
        if told.keys == "none":
            self.stderr.write("The backup has no keys: set SECRET_KEY as it was, or people sign in anew.")
