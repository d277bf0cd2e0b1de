"""The waits of the reports page, drawn: a bar a day, its median and what lies between that and 95%."""

from collections.abc import Callable

from django.utils.formats import date_format
from django.utils.translation import gettext as _

from annotation.figures.charts import StackedBars, stacked_bars
from annotation.figures.waits import Spread, WaitReport, Waits, wait_report
from annotation.models import Project

TENTHS = 10


def wait_context(project: Project) -> dict[str, object]:
    """What the template `_waits.html` shows; empty where no pair was shown."""
    waits = wait_report(project)
    if waits is None:
        return {}
    charts = [
        (_("Writing, by day"), _bars(waits, lambda day: day.writing)),
        (_("Waiting, by day"), _bars(waits, lambda day: day.waiting)),
    ]
    return {
        "waits": waits,
        "wait_charts": [(title, bars, f"{bars.highest / TENTHS:.1f}") for title, bars in charts],
    }


def _bars(waits: WaitReport, what: Callable[[Waits], Spread]) -> StackedBars:
    return stacked_bars([(_label(day, what(day)), _parts(what(day))) for day in waits.days])


def _label(waits: Waits, spread: Spread) -> str:
    assert waits.day is not None, waits
    return _("%(day)s: median %(median).1f s, 95%% within %(p95).1f s, %(num)d pairs") % {
        "day": date_format(waits.day, "j M Y"),
        "median": spread.median,
        "p95": spread.p95,
        "num": waits.num_pairs,
    }


def _parts(spread: Spread) -> tuple[int, int]:
    """In tenths of a second."""
    median, p95 = round(TENTHS * spread.median), round(TENTHS * spread.p95)
    return median, p95 - median
