"""`manage.py import_outside_scores FILE --project P --round N --by NAME`: scores from outside.

FILE has JSON lines of {"prompt_id", "policy", "sample", "score"}, the first three as `export_answers` wrote
them. The round's page then shows their win rates, and best-of-K by the reward model as they see it. Training
never reads any of it.
"""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.errors import AccordError
from alignment.management.commands._round import round_named
from alignment.outside_exchange import outside_scores_import


class Command(BaseCommand):
    """Import scores."""

    help = "Keep somebody's scores of a round's answers with its evaluation."

    def add_arguments(self, parser: CommandParser) -> None:
        """The file, the round, and who scored."""
        parser.add_argument("file", type=Path)
        parser.add_argument("--project", required=True)
        parser.add_argument("--round", required=True, type=int)
        parser.add_argument("--by", required=True, help='who scored, as the page says it: "by NAME"')

    def handle(self, *args: object, **options: Any) -> None:  # Any: Django's parsed options
        """Read, keep, tell."""
        try:
            round_ = round_named(options["project"], options["round"])
            report = outside_scores_import(round_, options["file"], options["by"], None)
        except AccordError as error:
            raise CommandError(str(error)) from error
        for other, rate in report["win_rate"].items():
            self.stdout.write(
                f"Win rate over the {other} by {report['by']}: {rate['value']:.3f} "
                f"[{rate['low']:.3f}, {rate['high']:.3f}], {rate['comparisons']:,} comparisons."
            )
        if report["best_of_k"] is None:
            self.stdout.write("The candidates of rejection sampling are not scored: no best of K.")
