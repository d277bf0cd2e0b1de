"""`manage.py import_document_review RUN --project P --name N`: a sample of a sift's documents for people."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.errors import AccordError
from annotation.management.commands._report import project_named
from reviewing.importing import review_import


class Command(BaseCommand):
    """Import a review."""

    help = (
        "Draw documents that a sift kept and dropped, by a stratified sample, for a project's people to "
        "judge blind."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """The run folder, the project, and the sample."""
        parser.add_argument("run", type=Path, help="the run folder of `python -m pretrain.curation.sift`")
        parser.add_argument("--project", required=True)
        parser.add_argument("--name", required=True, help="letters, digits, - and _")
        parser.add_argument("--documents", type=int, default=400, help="how many to draw (default 400)")
        parser.add_argument("--people", type=int, default=1, help="how many people judge each (default 1)")
        parser.add_argument("--seed", type=int, default=0)
        parser.add_argument(
            "--filter",
            action="append",
            default=[],
            help="draw near the thresholds of this filter alone; may be repeated",
        )

    def handle(self, *args: object, **options: Any) -> None:  # Any: Django's parsed options
        """Draw, store, tell."""
        try:
            review = review_import(
                project_named(options["project"]),
                options["run"],
                name=options["name"],
                size=options["documents"],
                seed=options["seed"],
                people_each=options["people"],
                filters=options["filter"],
            )
        except AccordError as error:
            raise CommandError(str(error)) from error
        drawn = review.documents.count()
        kept = f"of which the sift kept {review.num_kept:,}"
        self.stdout.write(f"drew {drawn:,} of {review.num_documents:,} documents, {kept}")
        for stratum in review.strata.order_by("name"):
            self.stdout.write(f"  {stratum.documents.count():4} of {stratum.num_documents:,} {stratum.name}")
