"""A forecast as pages show it: ranges in words, and bars on one scale."""

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext, gettext_lazy

from alignment.forecast.figures import Forecast, Span, StageForecast
from alignment.models import Stage

BASES = {
    "history": gettext_lazy("earlier rounds"),
    "calibration": gettext_lazy("timed"),
    "guess": gettext_lazy("a guess"),
    "people": gettext_lazy("people's pace"),
    "nothing": gettext_lazy("nothing to do"),
}
WIDTH = 100.0


@dataclass(frozen=True, kw_only=True)
class StageRow:
    """One stage of the table."""

    label: str
    seconds: Span
    basis: str
    num_rounds: int
    disk: str
    reused: bool
    low_x: float
    high_x: float
    expected_x: float


def forecast_shown(forecast: Forecast) -> dict[str, Any]:  # Any: of a template
    """What a template needs."""
    rows = [stage for stage in forecast.stages if stage.seconds.expected > 0 or stage.reused]
    longest = max((stage.seconds.high for stage in rows), default=1.0) or 1.0
    people = forecast.people_days
    return {
        "rows": [_row(stage, longest) for stage in rows],
        "seconds": forecast.seconds,
        "num_judgements": forecast.num_judgements,
        "people_days": None if people is None else _days(people),
        "machine_cost": None
        if forecast.machine_cost is None
        else _money(forecast.machine_cost, forecast.machine_currency),
        "people_cost": None
        if forecast.people_cost is None
        else f"{forecast.people_cost:,.2f} {forecast.people_currency}".strip(),
        "disk": size(forecast.disk_bytes),
        "peak": size(forecast.disk_peak),
        "free": size(forecast.disk_free),
        "fits": forecast.fits,
    }


def size(num_bytes: int) -> str:
    """Bytes as people read them."""
    return f"{num_bytes / 1e9:,.1f} GB" if num_bytes >= 1e8 else f"{num_bytes / 1e6:,.0f} MB"


def _row(stage: StageForecast, longest: float) -> StageRow:
    return StageRow(
        label=str(Stage.Name(stage.stage).label),
        seconds=stage.seconds,
        basis=str(BASES[stage.basis]),
        num_rounds=stage.num_rounds,
        disk=size(stage.disk_bytes) if stage.disk_bytes else "–",
        reused=stage.reused,
        low_x=round(WIDTH * stage.seconds.low / longest, 2),
        high_x=round(WIDTH * stage.seconds.high / longest, 2),
        expected_x=round(WIDTH * stage.seconds.expected / longest, 2),
    )


def _days(span: Span) -> str:
    return gettext("%(days)s days (%(low)s to %(high)s)") % {
        "days": _figure(span.expected),
        "low": _figure(span.low),
        "high": _figure(span.high),
    }


def _money(span: Span, currency: str) -> str:
    words = gettext("%(expected)s %(currency)s (%(low)s to %(high)s)")
    return words % {
        "expected": f"{span.expected:,.2f}",
        "low": f"{span.low:,.2f}",
        "high": f"{span.high:,.2f}",
        "currency": currency,
    }


def _figure(days: float) -> str:
    """Tenths of a day matter only of few days."""
    return f"{days:,.0f}" if days >= 10 else f"{days:.1f}"
