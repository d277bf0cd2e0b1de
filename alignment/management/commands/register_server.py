"""`manage.py register_server URL --model M`: enter a model server that someone else runs."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.errors import AccordError
from alignment.deploying import server_register
from registry.models import Checkpoint


class Command(BaseCommand):
    """Register a server."""

    help = "Enter a model server that someone else runs, once its canary proves what it holds."

    def add_arguments(self, parser: CommandParser) -> None:
        """The server and what it serves."""
        parser.add_argument("url", help="like http://10.0.0.5:8000, where /v1/completions answers")
        parser.add_argument("--model", required=True, help="the checkpoint's name in the registry")
        parser.add_argument(
            "--served-name", help="the model's name at the server; the checkpoint's if left out"
        )

    def handle(self, *args: object, **options: Any) -> None:  # Any: Django's parsed options
        """Prove and enter it."""
        checkpoint = Checkpoint.objects.filter(name=options["model"]).first()
        if checkpoint is None:
            raise CommandError(f"There is no model {options['model']!r} in the registry.")
        try:
            deployment = server_register(
                checkpoint=checkpoint,
                base_url=options["url"],
                served_name=options["served_name"] or checkpoint.name,
            )
        except AccordError as error:
            raise CommandError(str(error)) from error
        if deployment.canary_difference is None:
            self.stdout.write(f"Live: {deployment.name}, not proved: it told no log-probabilities.")
        else:
            difference = f"{deployment.canary_difference:.1e}"
            self.stdout.write(f"Live: {deployment.name}; its canary differs by {difference}.")
