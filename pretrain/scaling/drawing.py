"""A scaling law as diagrams: parabolas, the best number of tokens, likelihood, accuracy.

Comes in: budgets, the law, its intervals. Goes out: plots by file name. Axes of FLOPs and tokens are
logarithmic.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from pretrain.plots import Axis, Line, Plot, Point, fitted_axis, plot
from pretrain.scaling.certainty import Certainty
from pretrain.scaling.curves import Values
from pretrain.scaling.law import Budget, Law

NUM_COLOURS = 5
"""The sixth is grey: what is fitted or forecast."""
GREY = 6
CURVE_POINTS = 40
MOST_TICKS = 6


def draw_law(
    budgets: Sequence[Budget], law: Law, found: Certainty, forecasts: Mapping[float, Mapping[str, float]]
) -> dict[str, Plot]:
    """All diagrams of a law; those of tasks only where tasks were measured."""
    plots = {
        "isoflop": draw_parabolas(budgets, law),
        "tokens": draw_trend(law, found, forecasts, "num_tokens", "Best number of tokens", "tokens"),
        "loss": draw_trend(
            law, found, forecasts, "loss", "Held-out loss of the best model", "nats a character"
        ),
    }
    if law.answer_nll is not None:
        title = "Right answers of the best model"
        plots["answers"] = draw_trend(law, found, forecasts, "answer_nll", title, "nats a character")
    if law.accuracy is not None:
        plots["accuracy"] = draw_accuracy(budgets, law)
    return plots


def draw_parabolas(budgets: Sequence[Budget], law: Law) -> Plot:
    """Loss against tokens, a colour for each budget."""
    lines: list[Line] = []
    by_flops = {optimum.flops: optimum for optimum in law.optima}
    for place, budget in enumerate(budgets):
        series = place % NUM_COLOURS + 1
        points = points_at(budget.log_tokens, budget.losses)
        lines.append(Line(name=f"{short(budget.flops)} FLOPs", series=series, points=points, joined=False))
        if budget.flops in by_flops:
            x = np.linspace(budget.log_tokens.min(), budget.log_tokens.max(), CURVE_POINTS)
            curve = points_at(x, by_flops[budget.flops].parabola.at(x))
            lines.append(Line(name="", series=series, points=curve, dotted=False))
    logs = np.concatenate([budget.log_tokens for budget in budgets])
    losses = [point.y for line in lines for point in line.points]
    y_axis = fitted_axis("nats a character", losses)
    return plot("Held-out loss at equal FLOPs", lines, log_axis("tokens", list(logs)), y_axis)


def draw_trend(
    law: Law,
    found: Certainty,
    forecasts: Mapping[float, Mapping[str, float]],
    name: str,
    title: str,
    unit: str,
) -> Plot:
    """What the best models reach against FLOPs, the fitted law, and forecasts with their intervals."""
    in_logs = name == "num_tokens"

    def height(value: float) -> float:
        return math.log10(value) if in_logs else value

    measured = [
        Point(x=math.log10(optimum.flops), y=height(value))
        for optimum in law.optima
        if optimum.is_inside and (value := getattr(optimum, name)) is not None
    ]
    ahead = [
        Point(
            x=math.log10(flops),
            y=height(values[name]),
            low=height(found.forecasts[flops][name][0]),
            high=height(found.forecasts[flops][name][1]),
        )
        for flops, values in forecasts.items()
    ]
    ends = [point.x for point in (*measured, *ahead)]
    x = np.linspace(min(ends), max(ends), CURVE_POINTS)
    curve = points_at(x, np.array([height(law.forecast(10**at)[name]) for at in x]))
    lines = [
        Line(name="", series=GREY, points=curve, dotted=False),
        Line(name="best of a budget", series=1, points=measured, joined=False),
    ]
    if ahead:
        lines.append(Line(name="forecast", series=2, points=ahead, joined=False))
    heights = [value for line in lines for point in line.points for value in (point.y, point.low, point.high)]
    known = [value for value in heights if value is not None]
    y_axis = log_axis(unit, known) if in_logs else fitted_axis(unit, known)
    return plot(title, lines, log_axis("FLOPs", ends), y_axis)


def draw_accuracy(budgets: Sequence[Budget], law: Law) -> Plot:
    """Accuracy against the likelihood of right answers, each run a point, and the sigmoid."""
    assert law.accuracy is not None
    lines: list[Line] = []
    for place, budget in enumerate(budgets):
        if budget.answer_nlls is not None and budget.accuracies is not None:
            points = points_at(budget.answer_nlls, budget.accuracies)
            series = place % NUM_COLOURS + 1
            lines.append(
                Line(name=f"{short(budget.flops)} FLOPs", series=series, points=points, joined=False)
            )
    nlls = [point.x for line in lines for point in line.points] or [
        law.accuracy.middle - 1,
        law.accuracy.middle,
    ]
    x = np.linspace(min(nlls), max(nlls), CURVE_POINTS)
    lines.append(Line(name="", series=GREY, points=points_at(x, law.accuracy.at(x)), dotted=False))
    y_axis = fitted_axis("accuracy", [point.y for line in lines for point in line.points], percent=True)
    return plot("Accuracy", lines, fitted_axis("nats a character of the right answer", nlls), y_axis)


def points_at(x: Values, y: Values) -> list[Point]:
    """Points."""
    return [Point(x=float(across), y=float(up)) for across, up in zip(x, y, strict=True)]


def short(number: float) -> str:
    """A number as the axes write theirs: 1e11."""
    return f"{number:.3g}".replace("e+", "e")


def log_axis(label: str, logs: Sequence[float]) -> Axis:
    """A logarithmic axis around decimal logarithms: at 1, 2 and 5 of each power of ten, or at powers."""
    low, high = min(logs), max(logs)
    digits = (1, 2, 5) if high - low < 2 else (1,)
    values = [(digit, power) for power in range(math.floor(low) - 1, math.ceil(high) + 2) for digit in digits]
    at = [math.log10(digit) + power for digit, power in values]
    first = max(place for place, value in enumerate(at) if value <= low + 1e-9)
    last = min(place for place, value in enumerate(at) if value >= high - 1e-9)
    last = max(last, first + 1)
    every = math.ceil((last - first) / MOST_TICKS)
    shown = range(first, last + 1, every)
    return Axis(
        label=label,
        limits=(at[first], max(at[last], at[shown[-1]])),
        ticks=[at[place] for place in shown],
        names=[f"{values[place][0]}e{values[place][1]}" for place in shown],
    )
