"""What speaks against launching a round and may be overridden with a reason, which is kept."""

from accounts.errors import Invalid
from accounts.models import User
from alignment.data_gate.checks import DataCheck, problems
from alignment.data_gate.measuring import data_gate_checks
from alignment.forecast.figures import Forecast
from alignment.models import Round, Stage
from alignment.recipe import RoundRecipe
from alignment.stages.snapshot import LEAST_JUDGEMENTS
from annotation.models import Project


def refuse_launch(project: Project, recipe: RoundRecipe, forecast: Forecast, reason: str) -> list[str]:
    """The problems that `reason` overrides, none where there are none.

    Raises Invalid where there are some and no reason is given, or where no reason helps.
    """
    checks = data_gate_checks(project, recipe) if trains_at_once(recipe) else []
    _refuse_too_few(checks)
    found = [*problems(checks), *disk_problems(forecast)]
    if found and not reason.strip():
        raise Invalid(
            " ".join(found) + " Mend this, change the recipe, or give a reason to launch all the same."
        )
    return found


def disk_problems(forecast: Forecast) -> list[str]:
    """That the disk has no room for the round; nothing where it has."""
    if forecast.fits:
        return []
    return [
        f"The round needs about {gigabytes(forecast.disk_peak)} of disk at one time and "
        f"{gigabytes(forecast.disk_free)} are free where its runs go: free some, or ask for fewer variants."
    ]


def gigabytes(num_bytes: int) -> str:
    """Bytes as people read them."""
    return f"{num_bytes / 1e9:.1f} GB" if num_bytes >= 1e8 else f"{num_bytes / 1e6:.0f} MB"


def trains_at_once(recipe: RoundRecipe) -> bool:
    """Whether the round collects nothing first, so that what is there now is what it trains on."""
    return recipe.collect.num_comparisons == 0


def launch_override(round_: Round, actor: User | None, reason: str, overridden: list[str]) -> None:
    """Keep the reason where the data gate, which would find the same again, looks for it."""
    gate = round_.stages.get(name=Stage.Name.DATA_GATE)
    gate.result = {
        "override": {
            "by": "" if actor is None else actor.username,
            "reason": reason.strip(),
            "problems": overridden,
        }
    }
    gate.save(update_fields=["result"])


def _refuse_too_few(checks: list[DataCheck]) -> None:
    strong = next((check.value for check in checks if check.name == "strong"), None)
    if strong is not None and strong < LEAST_JUDGEMENTS:
        raise Invalid(
            f"{strong:.0f} judgements can train and no round does with fewer than {LEAST_JUDGEMENTS}: "
            "collect or import more, or set collect.num_comparisons so that the round collects first."
        )
