"""`manage.py create_project SLUG`: a project to judge in."""

from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.errors import AccordError
from annotation.management.commands._report import file_named
from annotation.services import project_create


class Command(BaseCommand):
    """Make a project."""

    help = "Make a project: a stream of comparisons with its guidelines, people and deployed models."

    def add_arguments(self, parser: CommandParser) -> None:
        """The slug and what can be said about the project."""
        parser.add_argument("slug", help="the short name in addresses and commands")
        parser.add_argument("--name", default="", help="the name people read; the slug if not given")
        parser.add_argument("--description", default="")
        parser.add_argument("--guidelines", type=Path, help="a Markdown file for annotators")
        parser.add_argument("--overlap", type=int, default=1, help="how many people judge each comparison")
        parser.add_argument(
            "--lease-seconds", type=int, default=600, help="how long a comparison stays with one"
        )
        parser.add_argument("--licence", default="", help="of the prompts and judgements: cc-by-4.0, …")
        parser.add_argument(
            "--edit-share",
            type=float,
            default=0.05,
            help="how many of the edits somebody else judges again: 0 to 1",
        )
        parser.add_argument("--max-tokens", type=int, default=256, help="the longest answer in a dialog")

    def handle(self, *args: object, **options: Any) -> None:  # Any: Django's parsed options
        """Check and make it."""
        guidelines = options["guidelines"]
        try:
            project = project_create(
                slug=options["slug"],
                name=options["name"],
                description=options["description"],
                guidelines=file_named(guidelines).read_text(encoding="utf-8") if guidelines else "",
                overlap=options["overlap"],
                lease_seconds=options["lease_seconds"],
                max_tokens=options["max_tokens"],
                licence=options["licence"],
                edit_share=options["edit_share"],
            )
        except AccordError as error:
            raise CommandError(str(error)) from error
        except ValidationError as error:
            raise CommandError("; ".join(error.messages)) from error
        self.stdout.write(f"Made project {project.slug}.")
