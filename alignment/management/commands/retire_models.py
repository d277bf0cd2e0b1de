"""`manage.py retire_models --project P`: end the servers of a project's models."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.errors import AccordError
from alignment.deploying import models_retire
from annotation.models import Project


class Command(BaseCommand):
    """Retire models."""

    help = "Let a project's models answer no more, so that their servers end and free their memory."

    def add_arguments(self, parser: CommandParser) -> None:
        """The project."""
        parser.add_argument("--project", required=True)

    def handle(self, *args: object, **options: Any) -> None:  # Any: Django's parsed options
        """Retire and tell."""
        project = Project.objects.filter(slug=options["project"]).first()
        if project is None:
            raise CommandError(f"There is no project {options['project']!r}.")
        try:
            retired = models_retire(project)
        except AccordError as error:
            raise CommandError(str(error)) from error
        names = ", ".join(deployment.name for deployment in retired) or "none"
        self.stdout.write(f"Retired: {names}. `manage.py deploy_models` puts models to work again.")
