"""Line charts as SVG paths: pure numbers in, coordinates out; the template draws them."""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH = 360
HEIGHT = 140
MARGIN = 4


@dataclass(frozen=True, kw_only=True)
class LineChart:
    """One curve, scaled to a box of WIDTH by HEIGHT."""

    title: str
    path: str
    """The `d` of an SVG path."""
    first: float
    last: float
    low: float
    high: float
    num_steps: int


def curve_chart(title: str, points: Sequence[tuple[int, float]]) -> LineChart:
    """Scale `points`, (step, value) with at least two, into the box."""
    steps = [step for step, _ in points]
    values = [value for _, value in points]
    low, high = min(values), max(values)
    span_x = max(steps[-1] - steps[0], 1)
    span_y = (high - low) or 1.0
    coordinates = [
        (
            MARGIN + (WIDTH - 2 * MARGIN) * (step - steps[0]) / span_x,
            MARGIN + (HEIGHT - 2 * MARGIN) * (high - value) / span_y,
        )
        for step, value in points
    ]
    path = "M" + " L".join(f"{x:.1f},{y:.1f}" for x, y in coordinates)
    return LineChart(
        title=title, path=path, first=values[0], last=values[-1], low=low, high=high, num_steps=steps[-1]
    )
