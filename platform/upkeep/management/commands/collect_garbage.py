"""`manage.py collect_garbage`: what nothing refers to, and what the rules of retention let go."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.errors import AccordError
from upkeep.garbage import garbage_collect, garbage_find
from upkeep.progress import megabytes
from upkeep.retention import retention


class Command(BaseCommand):
    """List, or delete."""

    help = "List files that may go and why; --apply deletes them."

    def add_arguments(self, parser: CommandParser) -> None:
        """Whether it is meant."""
        parser.add_argument("--apply", action="store_true", help="delete them; without it nothing is changed")
        parser.add_argument("--kept", action="store_true", help="also list what stays, and why")

    def handle(self, *args: object, **options: Any) -> None:  # Any: Django's parsed options
        """Look at everything."""
        try:
            found = garbage_collect(retention()) if options["apply"] else garbage_find(retention())
        except (AccordError, OSError) as error:
            raise CommandError(str(error)) from error
        for each in found.doomed:
            self.stdout.write(f"{megabytes(each.num_bytes):>14}  {each.path}: {each.why}")
        if options["kept"]:
            for kept in found.kept:
                self.stdout.write(f"{'stays':>14}  {kept.path}: {kept.why}")
        done = "Deleted" if options["apply"] else "Would delete"
        self.stdout.write(f"{done} {len(found.doomed)} files and folders, {megabytes(found.num_bytes)}.")
