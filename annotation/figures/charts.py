"""Where marks and bars of the quality and report pages go: numbers in, SVG coordinates out. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

RANGE_WIDTH = 100
MARK_WIDTH = 1.6
BARS_WIDTH = 720
BARS_HEIGHT = 180
MAX_BAR_WIDTH = 48
GAP_SHARE = 0.2
"""Of a bar's place, left empty."""


@dataclass(frozen=True, kw_only=True)
class RangeMark:
    """A figure and its interval on a line of RANGE_WIDTH; each is a place from the left."""

    value: float
    low: float
    width: float
    zero: float
    """Where the figure would stand that means nothing: chance, or no bias."""


@dataclass(frozen=True, kw_only=True)
class Segment:
    """One part of a stacked bar; `y` from the top."""

    series: int
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, kw_only=True)
class StackedBars:
    """Bars beside each other in a box of BARS_WIDTH by BARS_HEIGHT."""

    bars: Sequence[tuple[str, Sequence[Segment]]]
    """What each stands for, in words, and its parts that are not empty."""
    highest: int


def range_mark(
    value: float, low: float | None, high: float | None, *, least: float, zero: float
) -> RangeMark:
    """Place a figure between `least` and 1; what lies outside stands at the edge."""

    def place(number: float) -> float:
        return round((RANGE_WIDTH - MARK_WIDTH) * min(max((number - least) / (1 - least), 0.0), 1.0), 1)

    left = place(value if low is None else low)
    right = place(value if high is None else high)
    return RangeMark(
        value=place(value), low=left, width=round(right - left + MARK_WIDTH, 1), zero=place(zero)
    )


def stacked_bars(columns: Sequence[tuple[str, Sequence[int]]]) -> StackedBars:
    """A bar for each column of (words, parts), the first part at the bottom; series are numbered from 1."""
    highest = max((sum(parts) for _, parts in columns), default=0)
    place = BARS_WIDTH / max(len(columns), 1)
    width = min(place * (1 - GAP_SHARE), MAX_BAR_WIDTH)
    bars = []
    for number, (label, parts) in enumerate(columns):
        below, segments = 0.0, []
        for series, part in enumerate(parts, start=1):
            height = BARS_HEIGHT * part / max(highest, 1)
            below += height
            if part:
                segments.append(
                    Segment(
                        series=series,
                        x=round(number * place + (place - width) / 2, 1),
                        y=round(BARS_HEIGHT - below, 1),
                        width=round(width, 1),
                        height=round(height, 1),
                    )
                )
        bars.append((label, segments))
    return StackedBars(bars=bars, highest=highest)
