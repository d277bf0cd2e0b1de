"""Curves of programs as diagrams: losses and rewards of a stage's variants, and what a run uses. Pure."""

from collections.abc import Mapping, Sequence

from alignment.console.run_files import Row
from pretrain.plots import Axis, Line, Plot, Point, fitted_axis, plot

METRICS = (
    "loss",
    "evaluation_loss",
    "accuracy",
    "margin",
    "reward_margin",
    "kl",
    "learning_rate",
    "grad_norm",
)
"""In the order in which they are shown, where a program has them."""
LEARNED = METRICS[:6]
"""Those that say what a run has learned, not how it was told to."""
SHARES = ("accuracy",)
NUM_POINTS = 160
NUM_SERIES = 6


def metric_plots(
    runs: Mapping[str, Sequence[Row]], metrics: Sequence[str] = METRICS, *, most: int = len(METRICS)
) -> list[Plot]:
    """A diagram for each metric that the runs have told twice or more, with how they stand."""
    plots = []
    for metric in metrics:
        lines = [
            Line(name=f"{name}: {points[-1].y:.4g}", series=place % NUM_SERIES + 1, points=thinned(points))
            for place, (name, rows) in enumerate(runs.items())
            if len(points := curve(rows, metric)) > 1
        ]
        if lines:
            plots.append(_plot(metric.replace("_", " ").capitalize(), lines, percent=metric in SHARES))
    return plots[:most]


def curve(rows: Sequence[Row], metric: str) -> list[Point]:
    """(step, value) of a metric, in order of the steps; of a step told again after a crash the last."""
    told = {
        row["step"]: row[metric]
        for row in rows
        if row.get("kind") == "metrics" and isinstance(row.get(metric), int | float)
    }
    return [Point(x=float(step), y=float(told[step])) for step in sorted(told)]


def thinned(points: Sequence[Point]) -> list[Point]:
    """At most NUM_POINTS of them, each the mean of its neighbours, and the newest as it is."""
    if len(points) <= NUM_POINTS:
        return list(points)
    size = -(-len(points) // NUM_POINTS)
    groups = [points[start : start + size] for start in range(0, len(points) - 1, size)]
    means = [
        Point(x=sum(each.x for each in group) / len(group), y=sum(each.y for each in group) / len(group))
        for group in groups
    ]
    return [*means, points[-1]]


def usage_plots(rows: Sequence[Row]) -> list[Plot]:
    """CPU, memory and GPU over the minutes of the run."""
    if len(rows) < 2:
        return []
    began = rows[0]["time"]

    def over_time(title: str, key: str, scale: float, series: int, *, percent: bool = False) -> Plot | None:
        points = [
            Point(x=(row["time"] - began) / 60, y=row[key] / scale)
            for row in rows
            if row.get(key) is not None
        ]
        if len(points) < 2:
            return None
        line = Line(
            name=f"{points[-1].y:.0%}" if percent else f"{points[-1].y:.3g}",
            series=series,
            points=thinned(points),
        )
        return _plot(title, [line], percent=percent, from_zero=True, x_label="minutes")

    found = [
        over_time("CPU, cores", "cpu", 1, 1),
        over_time("Memory, GiB", "memory", 2**30, 3),
        over_time("GPU at work", "gpu", 1, 2, percent=True),
        over_time("GPU memory, GiB", "gpu_memory", 2**30, 5),
    ]
    return [each for each in found if each is not None]


def _plot(
    title: str, lines: list[Line], *, percent: bool = False, from_zero: bool = False, x_label: str = "steps"
) -> Plot:
    values = [point.y for line in lines for point in line.points] + ([0.0] if from_zero else [])
    across = [point.x for line in lines for point in line.points]
    x_axis = fitted_axis(x_label, [min(across), max(across)])
    return plot(title, lines, _tight(x_axis, max(across)), fitted_axis("", values, percent=percent))


def _tight(axis: Axis, end: float) -> Axis:
    """The axis as far as the line goes, and not to the next round number."""
    low, high = axis.limits[0], max(end, axis.limits[0] + 1e-9)
    return Axis(label=axis.label, limits=(low, high), ticks=[tick for tick in axis.ticks if tick <= high])
