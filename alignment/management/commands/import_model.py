"""`manage.py import_model`: put a Hugging Face folder into the registry as a base model."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.errors import AccordError
from alignment.importing import model_import
from registry.models import Checkpoint


class Command(BaseCommand):
    """Import a model."""

    help = "Register a Hugging Face folder as a base model. The files stay where they are."

    def add_arguments(self, parser: CommandParser) -> None:
        """The folder, and what it is."""
        parser.add_argument("path", type=Path)
        parser.add_argument("--name", required=True)
        parser.add_argument(
            "--licence", default="", help="its identifier, such as apache-2.0 or llama3.3; model cards say it"
        )
        parser.add_argument("--kind", default="base", choices=[Checkpoint.Kind.BASE.value])

    def handle(self, *args: object, **options: Any) -> None:  # Any: Django's parsed options
        """Check the folder and register it."""
        try:
            checkpoint = model_import(options["path"], options["name"], licence=options["licence"])
        except AccordError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Registered {checkpoint.name} ({checkpoint.content_hash[:12]}).")
        if not checkpoint.licence:
            self.stdout.write("No licence is stated: say it on the model's page, or here with --licence.")
