"""The round that a command's options name."""

from accounts.errors import NotFound
from alignment.models import Round


def round_named(project: str, number: int) -> Round:
    """Round `number` of the project with this slug. Raises NotFound with the rounds that there are."""
    rounds = Round.objects.select_related("project", "base").filter(project__slug=project)
    found = rounds.filter(number=number).first()
    if found is None:
        numbers = ", ".join(str(each.number) for each in rounds.order_by("number")) or "none yet"
        raise NotFound(f"There is no round {number} of {project!r}. There are: {numbers}.")
    return found
