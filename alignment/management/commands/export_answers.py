"""`manage.py export_answers --project P --round N --out FILE`: a round's answers, to be scored outside.

JSON lines of {"prompt_id", "policy", "sample", "context", "content"}: the held-out answers of the candidate,
the round before and the base, and as policy "rejection_sampling" the K candidates of each sampled prompt. A
scorer who should be blind is shown the context and the content alone.
"""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.errors import AccordError
from alignment.management.commands._round import round_named
from alignment.outside_exchange import answers_to_score
from annotation.records import write_records


class Command(BaseCommand):
    """Export answers."""

    help = "Write a round's answers as JSON lines, for somebody outside to score."

    def add_arguments(self, parser: CommandParser) -> None:
        """The round and the file."""
        parser.add_argument("--project", required=True)
        parser.add_argument("--round", required=True, type=int)
        parser.add_argument("--out", required=True, type=Path)

    def handle(self, *args: object, **options: Any) -> None:  # Any: Django's parsed options
        """Read, write, tell."""
        try:
            number = write_records(
                options["out"], answers_to_score(round_named(options["project"], options["round"]))
            )
        except AccordError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Wrote {number:,} answers to {options['out']}.")
