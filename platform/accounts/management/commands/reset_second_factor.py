"""`manage.py reset_second_factor NAME`: for somebody who has lost it, where no admin can get in to help."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import User
from accounts.second_factor import second_factor_reset


class Command(BaseCommand):
    """Reset."""

    help = "Take somebody's second factor away and end their sessions: the password alone lets them in again."

    def add_arguments(self, parser: CommandParser) -> None:
        """Who."""
        parser.add_argument("username")

    def handle(self, *args: object, **options: Any) -> None:  # Any: Django's parsed options
        """Do it."""
        user = User.objects.filter(username=options["username"]).first()
        if user is None:
            raise CommandError(f"Nobody is called {options['username']!r}.")
        if second_factor_reset(user, actor=None):
            self.stdout.write(f"{user.username} logs in without a second factor until they set one up again.")
        else:
            self.stdout.write(f"{user.username} had no second factor; their sessions have ended.")
