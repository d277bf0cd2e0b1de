"""`manage.py resume_round`: go on with a paused round."""

from typing import Any

from alignment.control import round_resume
from alignment.management.commands._control import RoundCommand
from alignment.models import Round


class Command(RoundCommand):
    """Go on with a paused round where it stopped."""

    help = "Go on with a paused round where it stopped."

    def act(self, round_: Round, options: dict[str, Any]) -> str:  # Any: Django's parsed options
        """Do it."""
        round_resume(round_, None)
        return f"Resumed {round_}."
