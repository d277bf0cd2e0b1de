"""`manage.py create_annotators`: accounts with API tokens, for load tests and bots."""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from accounts.errors import AccordError
from annotation.management.commands._report import project_named
from annotation.services import NewAnnotator, annotators_create


class Command(BaseCommand):
    """Make annotators."""

    help = "Make annotators of a project, each with an API token; the tokens go to a JSON file."

    def add_arguments(self, parser: CommandParser) -> None:
        """Where, how many, and the file."""
        parser.add_argument("--project", required=True)
        parser.add_argument("--count", type=int, required=True)
        parser.add_argument(
            "--tokens",
            type=Path,
            required=True,
            help='JSON to write: [{"username", "pseudonym", "token"}]',
        )

    def handle(self, *args: object, **options: Any) -> None:  # Any: Django's parsed options
        """Make them; no account stays behind whose token could not be written."""
        if options["count"] < 1:
            raise CommandError("--count must be at least 1.")
        path: Path = options["tokens"]
        try:
            with transaction.atomic():
                annotators = annotators_create(project_named(options["project"]), options["count"])
                _write_secretly(path, annotators)
        except AccordError as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"The tokens cannot be written to {path}: {error.strerror}.") from error
        self.stdout.write(f"Made {len(annotators)} annotators; their tokens are in {path}.")


def _write_secretly(path: Path, annotators: list[NewAnnotator]) -> None:
    """Readable by the owner alone from the first byte on."""
    aside = path.with_name(f".{path.name}.writing")
    aside.unlink(missing_ok=True)
    rows = [asdict(annotator) for annotator in annotators]
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        json.dump(rows, out, indent=1)
    aside.replace(path)
