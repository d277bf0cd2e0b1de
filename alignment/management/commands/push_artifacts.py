"""`manage.py push_artifacts [--again]`: send this machine's checkpoints where ARTIFACTS says."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from alignment.artifacts import checkpoints_push
from registry.models import Checkpoint


class Command(BaseCommand):
    """Send checkpoints."""

    help = "Send the checkpoints of this machine that were never sent; the clock does so every minute."

    def add_arguments(self, parser: CommandParser) -> None:
        """Whether to look at those that were sent, too."""
        parser.add_argument(
            "--again",
            action="store_true",
            help="also those that were sent before: what is missing or damaged in the storage is sent again",
        )

    def handle(self, *args: object, **options: Any) -> None:  # Any: Django's parsed options
        """Send and tell."""
        if not settings.ACCORD_ARTIFACTS:
            raise CommandError("ARTIFACTS is not set: set it to s3://bucket/prefix.")
        if options["again"]:
            Checkpoint.objects.update(stored_at=None)
        num_sent = checkpoints_push()
        self.stdout.write(f"{num_sent} checkpoints are in {settings.ACCORD_ARTIFACTS} now.")
        left = Checkpoint.objects.filter(stored_at=None).values_list("name", flat=True)
        if left:
            raise CommandError(f"Not sent, see the log above or run it where they lie: {', '.join(left)}.")
