"""A round's forecast against what it took, stage by stage."""

from dataclasses import dataclass

from django.core.exceptions import ObjectDoesNotExist

from alignment.forecast.figures import Forecast, Span
from alignment.models import Round

WIDTH = 100.0
"""Of the drawing, in units of which each bar takes its share."""


@dataclass(frozen=True, kw_only=True)
class StageActual:
    """One stage."""

    name: str
    label: str
    forecast: Span
    basis: str
    actual: float | None
    """Seconds; None until the stage has ended."""
    low_x: float
    high_x: float
    expected_x: float
    actual_x: float | None
    """Where they lie, 0 to 100, the longest of all at 100."""

    @property
    def off(self) -> float | None:
        """How much longer than forecast, as a share; None where there is nothing to compare."""
        if self.actual is None or not self.forecast.expected:
            return None
        return self.actual / self.forecast.expected - 1

    @property
    def within(self) -> bool | None:
        """Whether it ended within the range."""
        return None if self.actual is None else self.forecast.low <= self.actual <= self.forecast.high


@dataclass(frozen=True, kw_only=True)
class ForecastReview:
    """All stages that were forecast, and their sum."""

    forecast: Forecast
    stages: list[StageActual]
    actual: float | None
    """Seconds of all of them; None while one has not ended."""

    @property
    def within(self) -> bool | None:
        """Whether the whole ended within its range."""
        span = self.forecast.seconds
        return None if self.actual is None else span.low <= self.actual <= span.high


def kept_forecast(round_: Round) -> Forecast | None:
    """What was forecast at the launch; None for rounds launched before there were forecasts."""
    try:
        return Forecast.model_validate(round_.forecast.figures)
    except ObjectDoesNotExist:
        return None


def forecast_review(round_: Round) -> ForecastReview | None:
    """Forecast against actual; None where nothing was forecast."""
    forecast = kept_forecast(round_)
    if forecast is None:
        return None
    taken = {stage.name: (stage.get_name_display(), stage.seconds) for stage in round_.stages.all()}
    rows = [
        (each, *taken[each.stage])
        for each in forecast.stages
        if each.seconds.expected > 0 and each.stage in taken
    ]
    longest = max((max(each.seconds.high, actual or 0.0) for each, _, actual in rows), default=1.0) or 1.0
    actuals = [actual for _, _, actual in rows]
    return ForecastReview(
        forecast=forecast,
        stages=[
            StageActual(
                name=each.stage,
                label=label,
                forecast=each.seconds,
                basis=each.basis,
                actual=actual,
                low_x=round(WIDTH * each.seconds.low / longest, 2),
                high_x=round(WIDTH * each.seconds.high / longest, 2),
                expected_x=round(WIDTH * each.seconds.expected / longest, 2),
                actual_x=None if actual is None else round(WIDTH * actual / longest, 2),
            )
            for each, label, actual in rows
        ],
        actual=None if None in actuals else sum(actual or 0.0 for actual in actuals),
    )
