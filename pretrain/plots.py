"""Diagrams with axes, scaled to a box: pure numbers in, coordinates out.

On pages `web/_plot.html` draws them as SVG, in files `pretrain.svg`. `alignment.charts` has the plain curves
of a program's page; these have axes, several series, and intervals.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 360, 230
LEFT, RIGHT, TOP, BOTTOM = 44, 8, 8, 40
"""Room for the labels of the axes."""
NUM_TICKS = 5

Limits = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Point:
    """A value with its interval, if it has one."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None
    weight: float = 1.0
    """From 0 to 1: how large the dot is."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """Points that belong together."""

    name: str
    series: int
    """The colour, 1 to 6."""
    points: Sequence[Point]
    joined: bool = True
    """Whether a line goes through them, in order."""
    dotted: bool = True
    """Whether the points themselves are drawn."""


@dataclass(frozen=True, kw_only=True)
class Tick:
    """A mark on an axis."""

    at: float
    label: str


@dataclass(frozen=True, kw_only=True)
class DrawnPoint:
    """A point in the coordinates of the box."""

    x: float
    y: float
    top: float | None
    bottom: float | None
    radius: float


@dataclass(frozen=True, kw_only=True)
class DrawnLine:
    """A line in the coordinates of the box."""

    name: str
    series: int
    path: str
    """The `d` of an SVG path; empty where the points are not joined."""
    points: list[DrawnPoint]


@dataclass(frozen=True, kw_only=True)
class Axis:
    """What is measured along a side, and what is written there."""

    label: str
    limits: Limits
    ticks: Sequence[float]
    names: Sequence[str] = ()
    """What to write at the ticks, where it is not their value."""
    percent: bool = False


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A diagram that a template can draw."""

    title: str
    lines: list[DrawnLine]
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    x_label: str
    y_label: str
    guide: str
    """The `d` of a dashed line to compare with; empty for none."""
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    top: int = TOP
    bottom: int = HEIGHT - BOTTOM


def plot(
    title: str,
    lines: Sequence[Line],
    x_axis: Axis,
    y_axis: Axis,
    *,
    guide: Sequence[tuple[float, float]] = (),
) -> Plot:
    """Scale `lines` into the box; `guide` has the points of a line to compare with."""

    def across(x: float) -> float:
        return round(scaled(x, x_axis.limits, LEFT, WIDTH - RIGHT), 1)

    def down(y: float) -> float:
        return round(scaled(y, y_axis.limits, HEIGHT - BOTTOM, TOP), 1)

    return Plot(
        title=title,
        lines=[
            DrawnLine(
                name=line.name,
                series=line.series,
                path=path([(across(point.x), down(point.y)) for point in line.points]) if line.joined else "",
                points=[
                    DrawnPoint(
                        x=across(point.x),
                        y=down(point.y),
                        top=None if point.high is None else down(point.high),
                        bottom=None if point.low is None else down(point.low),
                        radius=round(2.5 + 3.5 * math.sqrt(point.weight), 1) if point.weight < 1 else 3.5,
                    )
                    for point in (line.points if line.dotted else ())
                ],
            )
            for line in lines
        ],
        x_ticks=[Tick(at=across(at), label=label) for at, label in tick_labels(x_axis)],
        y_ticks=[Tick(at=down(at), label=label) for at, label in tick_labels(y_axis)],
        x_label=x_axis.label,
        y_label=y_axis.label,
        guide=path([(across(x), down(y)) for x, y in guide]) if guide else "",
    )


def scaled(value: float, limits: Limits, start: float, end: float) -> float:
    """Where `value` lies between `start` and `end`, kept inside them."""
    low, high = limits
    share = (value - low) / ((high - low) or 1.0)
    return start + (end - start) * min(1.0, max(0.0, share))


def path(points: Sequence[tuple[float, float]]) -> str:
    """Points as an SVG path."""
    return "M" + " L".join(f"{x:.1f},{y:.1f}" for x, y in points)


def fitted_axis(label: str, values: Sequence[float], *, percent: bool = False, whole: bool = False) -> Axis:
    """An axis with round numbers around `values`; `whole` for counts."""
    low, high = min(values), max(values)
    step = nice_step((high - low) / NUM_TICKS or abs(high) / NUM_TICKS or 1.0)
    if whole:
        step = max(1.0, step)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    last = max(last, first + 1)
    ticks = [round(place * step, 10) for place in range(first, last + 1)]
    return Axis(label=label, limits=(ticks[0], ticks[-1]), ticks=ticks, percent=percent)


def nice_step(rough: float) -> float:
    """The next of 1, 2, 5, 10, … times a power of ten."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * digit for digit in (1, 2, 5, 10) if power * digit >= rough * (1 - 1e-9))


def tick_labels(axis: Axis) -> list[tuple[float, str]]:
    """Each tick with what is written at it."""
    names = axis.names or [f"{100 * at:g}%" if axis.percent else f"{at:g}" for at in axis.ticks]
    return list(zip(axis.ticks, names, strict=True))
