"""Forecasts a round before it is launched: time, cost and disk by stage, from its project and history."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from django.conf import settings

from alignment.forecast.figures import Forecast, Span, StageForecast, total
from alignment.forecast.history import Past, past_rounds
from alignment.forecast.rates import Prior, estimate
from alignment.forecast.sizing import judgements_to_come, round_sizes
from alignment.forecast.trials import speed_trial_result
from alignment.forecast.work import (
    AT_ONCE,
    GIGA,
    SAMPLING,
    STARTS,
    TRAINING,
    StageWork,
    disk,
    left_over,
    round_work,
)
from alignment.models import Round, RoundForecast, Stage
from alignment.recipe import RoundRecipe
from annotation.figures.forecast import forecast as days_forecast
from annotation.figures.pay import Work, pay_of
from annotation.figures.progress import daily_judgements, rates, work_of_people
from annotation.models import Project
from registry.models import Checkpoint

SECONDS_AN_HOUR = 3600
START_SECONDS = {"rejection_sampling": 20.0, "evaluation": 25.0}
TRAINING_START_SECONDS = 6.0
GUESSES = {
    # Two shared cores; a GPU is a hundred times as fast, and the spread says so.
    **dict.fromkeys(TRAINING, Prior(seconds_per_amount=0.2, spread=1.2, basis="guess")),
    **dict.fromkeys(SAMPLING, Prior(seconds_per_amount=0.06, spread=1.2, basis="guess")),
    "snapshot": Prior(seconds_per_amount=1.0, spread=0.7, basis="guess"),
    "averaging": Prior(seconds_per_amount=3.0, spread=0.7, basis="guess"),
    "deploy": Prior(seconds_per_amount=20.0, spread=0.7, basis="guess"),
}
TRIAL_SPREAD = 0.4
REFERENCE_PASS = 4 / 3
"""DPO reads every example once more, forward, than reward model and SFT do."""
SCORING = 1.3
"""Answers are scored as well as sampled."""


def round_forecast(
    project: Project,
    base: Checkpoint,
    recipe: RoundRecipe,
    *,
    reused: Mapping[str, float] = MappingProxyType({}),
) -> Forecast:
    """What the round would take if it were launched now; by stage, so much of 1 as is `reused` takes nothing.

    Raises Invalid where the base's weights cannot be read.
    """
    past = past_rounds(project)
    whole = round_work(recipe, round_sizes(project, base, recipe, past))
    work = [left_over(each, reused.get(each.stage, 0.0)) for each in whole]
    trial = speed_trial_result(base, recipe)
    computing = {each.stage: _stage(each, past, trial, recipe, reused.get(each.stage) == 1) for each in work}
    stages = tuple(
        computing.get(name.value, _idle(name.value, people=name.value == Stage.Name.COLLECT))
        for name in Stage.Name
    )
    seconds = total([each.seconds for each in computing.values()])
    kept, peak = disk(work)
    price = settings.ACCORD_MACHINE_HOUR_PRICE
    num_judgements = judgements_to_come(project, recipe)
    return Forecast(
        stages=stages,
        seconds=seconds,
        people_days=_people_days(project, num_judgements),
        num_judgements=num_judgements,
        machine_cost=None if price is None else seconds.times(price.amount / SECONDS_AN_HOUR),
        machine_currency="" if price is None else price.currency,
        people_cost=_people_cost(project, num_judgements),
        people_currency=project.currency,
        disk_bytes=kept,
        disk_peak=peak,
        disk_free=disk_free(),
    )


def forecast_keep(round_: Round, forecast: Forecast) -> None:
    """Keep what was forecast at the round's launch. Call it in the launch's transaction."""
    RoundForecast.objects.create(round=round_, figures=forecast.model_dump(mode="json"))


def disk_free() -> int:
    """Bytes free where run folders and checkpoints go."""
    folder: Path = settings.ACCORD_RUNS
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def _stage(
    work: StageWork,
    past: Past,
    trial: Mapping[str, Any] | None,  # Any: JSON
    recipe: RoundRecipe,
    reused: bool,
) -> StageForecast:
    if reused:
        nothing = Span(expected=0, low=0, high=0)
        return StageForecast(stage=work.stage, seconds=nothing, basis="nothing", reused=True)
    found = estimate(
        work.amount,
        STARTS.get(work.stage, 0),
        past.observed(work.stage),
        start_seconds=START_SECONDS.get(work.stage, TRAINING_START_SECONDS),
        prior=_prior(work.stage, trial, recipe),
        errors=past.errors.get(work.stage, ()),
    )
    return StageForecast(
        stage=work.stage,
        seconds=found.seconds,
        basis=found.basis,
        num_rounds=found.num_rounds,
        amount=work.amount,
        disk_bytes=work.disk_bytes,
    )


def _prior(
    stage: str,
    trial: Mapping[str, Any] | None,  # Any: JSON
    recipe: RoundRecipe,
) -> Prior:
    """What is believed of the stage's rate before a round has shown it."""
    if trial is None or stage not in TRAINING + SAMPLING:
        return GUESSES[stage]
    if stage in TRAINING:
        variants = {"reward_model": recipe.reward, "sft": recipe.sft, "dpo": recipe.dpo}[stage]
        seconds = trial["train_seconds_per_token"] / min(AT_ONCE, len(variants))
        seconds *= REFERENCE_PASS if stage == "dpo" else 1.0
    else:
        seconds = trial["sample_seconds_per_token"] * SCORING
    rate = seconds * GIGA / trial["parameters"]
    return Prior(seconds_per_amount=rate, spread=TRIAL_SPREAD, basis="calibration")


def _idle(stage: str, *, people: bool) -> StageForecast:
    nothing = Span(expected=0, low=0, high=0)
    return StageForecast(stage=stage, seconds=nothing, basis="people" if people else "nothing")


def _people_days(project: Project, num_judgements: int) -> Span | None:
    if not num_judgements:
        return None
    found = days_forecast(num_judgements, daily_judgements(project))
    if found is None:
        return None
    return Span(
        expected=found.days, low=found.low, high=found.days * 10 if found.high is None else found.high
    )


def _people_cost(project: Project, num_judgements: int) -> float | None:
    """What the judgements to come cost, at what one has cost so far."""
    pays = rates(project)
    if not num_judgements:
        return 0.0 if pays.is_known else None
    if not pays.is_known:
        return None
    people = work_of_people(project)
    done = Work(
        name="",
        num_judgements=sum(each.num_judgements for each in people),
        num_timed=sum(each.num_timed for each in people),
        active_seconds=sum(each.active_seconds for each in people),
    )
    if not done.num_timed:
        return None if pays.per_judgement is None else num_judgements * float(pays.per_judgement)
    return num_judgements * pay_of(done, pays).total / done.num_judgements
