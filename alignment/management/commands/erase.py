"""`manage.py erase person NAME`, `manage.py erase record KIND ID`: texts go, counts stay."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.errors import AccordError
from alignment.erasing import RECORDS, Traces, erase_all, person_of, plan, record_of


class Command(BaseCommand):
    """Erase a person or a record."""

    help = (
        "Erase a person's data, or the texts of a prompt, dialog, comparison or document. Names the "
        "snapshots and checkpoints that learned from it and the files that hold it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Whom or what, and how far."""
        what = parser.add_subparsers(dest="what", required=True)
        person = what.add_parser("person", help="all that is one person's")
        person.add_argument("username")
        record = what.add_parser(
            "record", help="a prompt with its dialogs, a dialog, a comparison, a document of a review"
        )
        record.add_argument("kind", choices=RECORDS)
        record.add_argument("id", type=int)
        for each in (person, record):
            each.add_argument("--dry-run", action="store_true", help="only say what would happen")
            each.add_argument(
                "--purge-files",
                action="store_true",
                help="delete the files of rounds that hold the texts; a marker stays in their place",
            )

    def handle(self, *args: object, **options: Any) -> None:  # Any: Django's parsed options
        """Do it, or say what it would do."""
        try:
            person = options["what"] == "person"
            erase = person_of(options["username"]) if person else record_of(options["kind"], options["id"])
            if options["dry_run"]:
                traces = plan(erase)
            else:
                traces = erase_all(erase, actor=None, purge=options["purge_files"])
        except AccordError as error:
            raise CommandError(str(error)) from error
        self._tell(traces, done=not options["dry_run"])

    def _tell(self, traces: Traces, *, done: bool) -> None:
        said = [f"{number} {kind}" for kind, number in sorted(traces.rows.items()) if number]
        verb = "Erased" if done else "Would erase"
        self.stdout.write(f"{verb} {', '.join(said) or 'nothing'}.")
        for use in traces.learned.snapshots:
            self.stdout.write(
                f"snapshot {use.snapshot.content_hash} of {use.snapshot.round}: "
                f"{use.num_judgements} judgements"
            )
        for checkpoint in traces.learned.checkpoints:
            live = f", live as {', '.join(checkpoint.deployed_as)}" if checkpoint.deployed_as else ""
            self.stdout.write(f"checkpoint {checkpoint.checkpoint.name} learned from it{live}")
        for path in traces.files:
            self.stdout.write(f"{'purged' if traces.purged else 'file'} {path}")
        if traces.files and not traces.purged:
            self.stdout.write("These files hold the texts: --purge-files deletes them.")
