"""The curves of scaling laws, fitted by least squares: parabola, straight line, sigmoid. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Form = Literal["power", "saturating", "line"]
"""How likelihood goes with FLOPs: as a power of them, as one above a floor (Hoffmann et al. 2022), or as a
line in their logarithm, which Llama 3 draws."""

SIGMOID_STEPS = 100
FLOORS = 200
"""Floors that are tried."""
STEEPEST = 12.0
"""The logarithm of a sigmoid's slope stays below this: a step function has no best slope."""


@dataclass(frozen=True, kw_only=True)
class Parabola:
    """y = low + bend · (x - bottom)²."""

    bottom: float
    low: float
    bend: float

    def at(self, x: Values) -> Values:
        """Its values."""
        return self.low + self.bend * (x - self.bottom) ** 2


@dataclass(frozen=True, kw_only=True)
class Line:
    """y = start + slope · x."""

    start: float
    slope: float

    def at(self, x: float) -> float:
        """Its value."""
        return self.start + self.slope * x


@dataclass(frozen=True, kw_only=True)
class Trend:
    """How a likelihood falls with the decimal logarithm x of FLOPs."""

    line: Line
    form: Form
    floor: float = 0.0
    """Where it ends with all FLOPs of the world; only a saturating one has it."""

    def at(self, x: float) -> float:
        """Its value."""
        value = self.line.at(x)
        return value if self.form == "line" else self.floor + float(10**value)


@dataclass(frozen=True, kw_only=True)
class Sigmoid:
    """y = floor + (1 - floor) / (1 + exp(slope · (x - middle))), which falls in x."""

    middle: float
    slope: float
    floor: float

    def at(self, x: Values) -> Values:
        """Its values."""
        share: Values = 0.5 * (1 - np.tanh(0.5 * self.slope * (x - self.middle)))
        return self.floor + (1 - self.floor) * share


def coefficients(x: Values, y: Values, degree: int) -> Values:
    """Of a polynomial, constant first. `x` must have more different values than the degree."""
    found: Values = np.linalg.lstsq(np.vander(x, degree + 1, increasing=True), y, rcond=None)[0]
    return found


def fit_parabola(x: Values, y: Values) -> Parabola | None:
    """The best parabola; None where that opens downwards or is a line: it has no lowest point."""
    centre = float(x.mean())
    constant, slope, bend = map(float, coefficients(x - centre, y, 2))
    if bend <= 1e-12:
        return None
    return Parabola(bottom=centre - slope / (2 * bend), low=constant - slope**2 / (4 * bend), bend=bend)


def fit_line(x: Sequence[float] | Values, y: Sequence[float] | Values) -> Line:
    """The best line."""
    start, slope = coefficients(np.asarray(x, dtype=float), np.asarray(y, dtype=float), 1)
    return Line(start=float(start), slope=float(slope))


def fit_trend(x: Sequence[float] | Values, y: Sequence[float] | Values, form: Form) -> Trend | None:
    """The best trend of a form; None where a value is too low for it. A saturating one wants four values."""
    at, values = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if form == "line":
        return Trend(line=fit_line(at, values), form=form)
    lowest = float(values.min())
    if lowest <= 0:
        return None
    floors = [0.0]
    if form == "saturating":
        # Dense where the floor is near the lowest value: there the curve changes most.
        floors += [lowest * (1 - part) for part in np.geomspace(1, 1e-3, FLOORS)[1:]]
    trends = [Trend(line=fit_line(at, np.log10(values - floor)), form=form, floor=floor) for floor in floors]

    def misses(trend: Trend) -> float:
        return sum((trend.at(float(place)) - value) ** 2 for place, value in zip(at, values, strict=True))

    return min(trends, key=misses)


def fit_sigmoid(x: Values, y: Values, floor: float, begin: Sigmoid | None = None) -> Sigmoid:
    """The best falling sigmoid, by Levenberg and Marquardt's method from several beginnings or from one."""
    spread = float(np.ptp(x)) or 1.0
    begins = (
        [(begin.middle, np.log(begin.slope))]
        if begin
        else [
            (float(middle), np.log(slope / spread))
            for middle in np.quantile(x, [0.1, 0.5, 0.9])
            for slope in (1.0, 4.0, 16.0)
        ]
    )
    found = [descend(x, y, floor, np.array(start)) for start in begins]
    middle, log_slope = min(found, key=lambda pair: pair[0])[1]
    return Sigmoid(middle=float(middle), slope=float(np.exp(log_slope)), floor=floor)


def descend(x: Values, y: Values, floor: float, start: Values) -> tuple[float, Values]:
    """The lowest sum of squares from one beginning, and where: (middle, logarithm of the slope)."""

    def residuals(at: Values) -> Values:
        return y - Sigmoid(middle=float(at[0]), slope=float(np.exp(at[1])), floor=floor).at(x)

    here, left = start, residuals(start)
    lowest, damping = float(left @ left), 1e-2
    for _ in range(SIGMOID_STEPS):
        slope = float(np.exp(here[1]))
        share = 0.5 * (1 - np.tanh(0.5 * slope * (x - here[0])))
        rise = (1 - floor) * share * (1 - share) * slope
        jacobian = np.stack([rise, -rise * (x - here[0])], axis=1)
        normal = jacobian.T @ jacobian
        step = np.linalg.solve(normal + damping * np.diag(np.diag(normal) + 1e-12), jacobian.T @ left)
        there = here + step
        there[1] = min(float(there[1]), STEEPEST)
        after = residuals(there)
        value = float(after @ after)
        if value < lowest:
            is_done = lowest - value < 1e-14 * max(lowest, 1e-14)
            here, left, lowest, damping = there, after, value, damping / 3
            if is_done:
                break
        else:
            damping *= 4
            if damping > 1e12:
                break
    return lowest, here
