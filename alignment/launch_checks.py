"""What speaks against launching a round and may be overridden with a reason, which is kept."""

from collections.abc import Sequence
from typing import Any

from accounts.errors import Invalid
from accounts.models import User
from alignment.data_gate.checks import DataCheck, problems
from alignment.data_gate.measuring import data_gate_checks
from alignment.forecast.figures import Forecast
from alignment.forecast.forecasting import round_forecast
from alignment.forecast.shown import size
from alignment.models import Round, RoundForecast, Stage
from alignment.recipe import RoundRecipe
from alignment.stages.snapshot import LEAST_JUDGEMENTS
from annotation.models import Project
from registry.models import Checkpoint


def refuse_launch(project: Project, recipe: RoundRecipe, forecast: Forecast, reason: str) -> list[str]:
    """The problems that `reason` overrides, none where there are none.

    Raises Invalid where there are some and no reason is given, or where no reason helps.
    """
    checks = data_gate_checks(project, recipe) if trains_at_once(recipe) else []
    _refuse_too_few(checks)
    return _overridden(launch_problems(recipe, checks, forecast), reason)


def refuse_rerun(forecast: Forecast, reason: str) -> list[str]:
    """As `refuse_launch`, for another run of a round: the data gate looks at its judgements again."""
    return _overridden(disk_problems(forecast), reason)


def _overridden(found: list[str], reason: str) -> list[str]:
    if found and not reason.strip():
        advice = "Mend this, change the recipe, or give a reason to launch all the same."
        raise Invalid(" ".join([*found, advice]))
    return found


def forecast_report(project: Project, base: Checkpoint, recipe: RoundRecipe) -> dict[str, Any]:  # Any: JSON
    """What a launch would find and take, for programs: {"checks", "problems", "forecast"}."""
    checks = data_gate_checks(project, recipe)
    forecast = round_forecast(project, base, recipe)
    return {
        "checks": [check.model_dump(mode="json") for check in checks],
        "problems": launch_problems(recipe, checks, forecast),
        "forecast": forecast.model_dump(mode="json"),
    }


def launch_problems(recipe: RoundRecipe, checks: Sequence[DataCheck], forecast: Forecast) -> list[str]:
    """What speaks against a launch, a sentence each; the data only where the round trains on it at once."""
    return [*(problems(checks) if trains_at_once(recipe) else []), *disk_problems(forecast)]


def disk_problems(forecast: Forecast) -> list[str]:
    """That the disk has no room for the round; nothing where it has."""
    if forecast.fits:
        return []
    return [
        f"The round needs about {size(forecast.disk_peak)} of disk at one time and "
        f"{size(forecast.disk_free)} are free where its runs go: free some, or ask for fewer variants."
    ]


def trains_at_once(recipe: RoundRecipe) -> bool:
    """Whether the round collects nothing first, so that what is there now is what it trains on."""
    return recipe.collect.num_comparisons == 0


def launch_override(
    round_: Round, actor: User | None, reason: str, overridden: list[str], *, of_data: bool
) -> None:
    """Keep the reason with the forecast; and with `of_data` where the data gate, which would find the same
    again, looks.
    """
    override = {
        "by": "" if actor is None else actor.username,
        "reason": reason.strip(),
        "problems": overridden,
    }
    RoundForecast.objects.filter(round=round_).update(override=override)
    if of_data:
        gate = round_.stages.get(name=Stage.Name.DATA_GATE)
        gate.result = {"override": override}
        gate.save(update_fields=["result"])


def _refuse_too_few(checks: Sequence[DataCheck]) -> None:
    strong = next((check.value for check in checks if check.name == "strong"), None)
    if strong is not None and strong < LEAST_JUDGEMENTS:
        raise Invalid(
            f"{strong:.0f} judgements can train and no round does with fewer than {LEAST_JUDGEMENTS}: "
            "collect or import more, or set collect.num_comparisons so that the round collects first."
        )
