"""`manage.py export_model`: a checkpoint as a Hugging Face folder with its model card."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.errors import AccordError
from alignment.model_export import model_export
from registry.selectors import checkpoint_named


class Command(BaseCommand):
    """Export a model."""

    help = "Write a checkpoint as a Hugging Face folder: weights, tokenizer, model card, provenance."

    def add_arguments(self, parser: CommandParser) -> None:
        """Which one, and where to."""
        parser.add_argument("name", help="the checkpoint's name in the registry")
        parser.add_argument("--out", type=Path, required=True, help="a folder that is new or empty")

    def handle(self, *args: object, **options: Any) -> None:  # Any: Django's parsed options
        """Find it and write the folder."""
        checkpoint = checkpoint_named(options["name"])
        if checkpoint is None:
            raise CommandError(f"There is no checkpoint {options['name']!r}: /models/ lists them.")
        try:
            out = model_export(checkpoint, options["out"])
        except AccordError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Wrote {checkpoint.name} to {out}: its model card is {out}/README.md.")
        if not checkpoint.licence:
            self.stdout.write("No licence is stated: say it on the model's page.")
