"""Diagrams: round numbers at the axes, everything inside of the box."""

import pytest

from pretrain.plots import Axis, Line, Point, fitted_axis, plot


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ([0.0, 1.0], [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        ([-0.13, 0.62], [-0.2, 0.0, 0.2, 0.4, 0.6, 0.8]),
        ([3.0, 3.0], [3.0, 4.0]),
        ([0.0, 0.0], [0.0, 1.0]),
    ],
)
def test_ticks_are_round_numbers_around_the_values(values: list[float], ticks: list[float]) -> None:
    axis = fitted_axis("", values)
    assert list(axis.ticks) == pytest.approx(ticks)
    assert axis.limits == (axis.ticks[0], axis.ticks[-1])


def test_points_and_their_intervals_stay_inside_of_the_box() -> None:
    square = Axis(label="", limits=(0.0, 1.0), ticks=(0.0, 1.0))
    drawn = plot(
        "", [Line(name="a", series=1, points=[Point(x=2.0, y=0.5, low=-3.0, high=0.75)])], square, square
    )
    ((dot,),) = (line.points for line in drawn.lines)
    assert (dot.x, dot.bottom) == (drawn.right, drawn.bottom)
    assert drawn.top < dot.top < dot.y < dot.bottom  # type: ignore[operator]
