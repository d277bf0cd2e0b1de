"""`manage.py roll_back --project P`: let the models of an earlier release answer again."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.errors import AccordError
from alignment.deploying import models_roll_back
from alignment.management.commands._release import release_wait
from annotation.models import Project


class Command(BaseCommand):
    """Roll back."""

    help = "Deploy the models of the release before the present one again, past their canary check."

    def add_arguments(self, parser: CommandParser) -> None:
        """The project and the release."""
        parser.add_argument("--project", required=True)
        parser.add_argument("--to", type=int, help="the release's number; without it the one before")
        parser.add_argument(
            "--wait", type=float, default=300, help="seconds to wait until it is live; 0: do not"
        )

    def handle(self, *args: object, **options: Any) -> None:  # Any: Django's parsed options
        """Ask for it and wait."""
        project = Project.objects.filter(slug=options["project"]).first()
        if project is None:
            raise CommandError(f"There is no project {options['project']!r}.")
        try:
            release = models_roll_back(project, to=options["to"])
        except AccordError as error:
            raise CommandError(str(error)) from error
        if options["wait"]:
            release_wait(self, release, options["wait"])
