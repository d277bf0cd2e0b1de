"""`manage.py pause_round`: have a round's programs checkpoint and stop."""

from typing import Any

from alignment.control import round_pause
from alignment.management.commands._control import RoundCommand
from alignment.models import Round


class Command(RoundCommand):
    """Pause a running round: its programs checkpoint and stop."""

    help = "Pause a running round: its programs checkpoint and stop."

    def act(self, round_: Round, options: dict[str, Any]) -> str:  # Any: Django's parsed options
        """Do it."""
        round_pause(round_, None)
        return f"Paused {round_}."
