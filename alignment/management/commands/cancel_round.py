"""`manage.py cancel_round`: stop a round."""

from typing import Any

from alignment.control import round_cancel
from alignment.management.commands._control import RoundCommand
from alignment.models import Round


class Command(RoundCommand):
    """Cancel a running or paused round; retry_round can go on with it."""

    help = "Cancel a running or paused round; retry_round can go on with it."

    def act(self, round_: Round, options: dict[str, Any]) -> str:  # Any: Django's parsed options
        """Do it."""
        round_cancel(round_, None)
        return f"Cancelled {round_}."
