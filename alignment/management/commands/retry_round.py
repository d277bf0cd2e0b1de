"""`manage.py retry_round`: go on with a failed or cancelled round."""

from typing import Any

from alignment.control import round_retry
from alignment.management.commands._control import RoundCommand
from alignment.models import Round


class Command(RoundCommand):
    """Go on with a failed or cancelled round; what had finished is kept."""

    help = "Go on with a failed or cancelled round; what had finished is kept."

    def act(self, round_: Round, options: dict[str, Any]) -> str:  # Any: Django's parsed options
        """Do it."""
        round_retry(round_, None)
        return f"Going on with {round_}."
