"""The round that a command's options name."""

from accounts.errors import NotFound
from alignment.models import Round


def round_named(project: str, number: int, run: int | None = None) -> Round:
    """Round `number` of the project with this slug, its last run unless said otherwise.

    Raises NotFound with the rounds that there are.
    """
    rounds = Round.objects.select_related("project", "base").filter(project__slug=project)
    runs = rounds.filter(number=number, **({} if run is None else {"run": run}))
    found = runs.order_by("-run").first()
    if found is None:
        numbers = ", ".join(each.title for each in rounds.order_by("number", "run")) or "none yet"
        raise NotFound(f"There is no round {number} of {project!r}. There are: {numbers}.")
    return found
