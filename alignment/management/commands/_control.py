"""What the commands that act on one round have in common: its options, and errors as sentences."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.errors import AccordError
from alignment.management.commands._round import round_named
from alignment.models import Round


class RoundCommand(BaseCommand):
    """Finds the round that the options name and does one thing with it."""

    def add_arguments(self, parser: CommandParser) -> None:
        """Which round."""
        parser.add_argument("--project", required=True, help="the project's slug")
        parser.add_argument("--number", required=True, type=int, help="the round's number")
        parser.add_argument("--run", type=int, help="its run, where there are several (default: the last)")

    def handle(self, *args: object, **options: Any) -> None:  # Any: Django's parsed options
        """Find it, act, say so."""
        try:
            round_ = round_named(options["project"], options["number"], options["run"])
            self.stdout.write(self.act(round_, options))
        except AccordError as error:
            raise CommandError(str(error)) from error

    def act(self, round_: Round, options: dict[str, Any]) -> str:  # Any: Django's parsed options
        """Do it; what was done, in a sentence."""
        raise NotImplementedError
