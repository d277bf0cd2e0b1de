"""`manage.py apply_document_review NAME --project P`: what people's verdicts on documents change.

Writes the sift recipe with the moved thresholds, the verdicts as labels, and run folders; with `--run` it
trains the classifier anew and sifts the documents again.
"""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.errors import AccordError, NotFound
from alignment.base_making import run_steps
from annotation.management.commands._report import project_named
from pretrain.run import ProgramError
from reviewing.applying import Applied, classifier_gain, leave_classifier_out, review_apply, told
from reviewing.models import DocumentReview


class Command(BaseCommand):
    """Apply a document review."""

    help = "Write, and with --run carry out, what a document review changes: thresholds and a classifier."

    def add_arguments(self, parser: CommandParser) -> None:
        """The review, what wrong documents cost, and the classifier."""
        parser.add_argument("name")
        parser.add_argument("--project", required=True)
        parser.add_argument(
            "--out", type=Path, help="a folder; default: document-reviews/NAME among the project's runs"
        )
        parser.add_argument(
            "--good-cost",
            type=float,
            default=1.0,
            help="a good document dropped counts as much as so many bad ones kept (default 1)",
        )
        parser.add_argument("--classifier", default="", help="train the classifier of this name anew")
        parser.add_argument(
            "--labels", type=Path, action="append", default=[], help="more labels for it; may be repeated"
        )
        parser.add_argument("--run", action="store_true", help="train and sift now")
        parser.add_argument("--threads", type=int, default=2)

    def handle(self, *args: object, **options: Any) -> None:  # Any: Django's parsed options
        """Write, run, tell."""
        if not options["good_cost"] > 0:
            raise CommandError("--good-cost must be above 0.")
        try:
            review = _review_named(options["project"], options["name"])
            folder = options["out"] or (
                settings.ACCORD_RUNS / review.project.slug / "document-reviews" / review.name
            )
            applied = review_apply(
                review,
                folder,
                good_cost=options["good_cost"],
                classifier=options["classifier"],
                labels=options["labels"],
            )
            results = applied.results
            self.stdout.write(f"now: {told(results.before)}")
            self.stdout.write(f"moved, on documents that did not choose: {told(results.after)}")
            for key, each in results.moved.items():
                self.stdout.write(
                    f"  {key} {each.threshold.bound:g} → {each.bound:g} [{each.low:g}, {each.high:g}]"
                )
            if not results.moved:
                self.stdout.write("  no threshold moves: none is surely better elsewhere")
            self.stdout.write(f"wrote {folder}: recipe.json, curation.json, {applied.num_labels} labels")
            if options["run"]:
                self._run(applied, options["threads"])
            else:
                for step in filter(None, (applied.training, applied.sift)):
                    self.stdout.write(f"python -m {step.module} {step.folder.config_path}")
        except (AccordError, ProgramError) as error:
            raise CommandError(str(error)) from error

    def _run(self, applied: Applied, num_threads: int) -> None:
        """Train, and sift with what was trained if it is worth it."""
        sift = applied.sift
        if applied.training is not None:
            run_steps([applied.training], num_threads)
            gain = classifier_gain(applied)
            self.stdout.write(
                f"the classifier, on {gain.num_documents} documents that it has not learned from: cost "
                f"{gain.cost_with:.4f} each, without it {gain.cost_without:.4f}"
            )
            if not gain.helps:
                self.stdout.write("it is left out: more verdicts may make it better")
                sift = leave_classifier_out(applied)
        run_steps([sift], num_threads)


def _review_named(slug: str, name: str) -> DocumentReview:
    """The project's review. Raises NotFound."""
    project = project_named(slug)
    review = project.document_reviews.filter(name=name).first()
    if review is None:
        raise NotFound(f"There is no document review {name!r} in {slug}: look at the project's documents.")
    return review
