"""`manage.py deploy_models`: put two or more models to work for a project."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.errors import AccordError
from alignment.deploying import models_deploy
from alignment.management.commands._release import release_wait
from annotation.models import Project
from registry.models import Checkpoint


class Command(BaseCommand):
    """Deploy models."""

    help = "Deploy models of the registry; their answers are what people compare."

    def add_arguments(self, parser: CommandParser) -> None:
        """The project and the models' names."""
        parser.add_argument("models", nargs="+", help="names in the registry, at least two")
        parser.add_argument("--project", required=True)
        parser.add_argument(
            "--reason", default="", help="why a model may answer that did not come through its round's gate"
        )
        parser.add_argument(
            "--wait", type=float, default=300, help="seconds to wait until they are live; 0: do not"
        )

    def handle(self, *args: object, **options: Any) -> None:  # Any: Django's parsed options
        """Request the deployments and wait until they answer."""
        project = Project.objects.filter(slug=options["project"]).first()
        if project is None:
            raise CommandError(
                f"There is no project {options['project']!r}: make it with `manage.py create_project`."
            )
        missing = set(options["models"]) - set(Checkpoint.objects.values_list("name", flat=True))
        if missing:
            raise CommandError(f"There is no model {', '.join(sorted(missing))} in the registry.")
        try:
            release = models_deploy(
                project,
                [Checkpoint.objects.get(name=name) for name in options["models"]],
                reason=options["reason"],
            )
        except AccordError as error:
            raise CommandError(str(error)) from error
        if options["wait"]:
            release_wait(self, release, options["wait"])
