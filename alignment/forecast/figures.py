"""A forecast as it is kept, shown and sent. Pure."""

from typing import Literal, Self

from pretrain.run import ProgramConfig

Basis = Literal["history", "calibration", "guess", "people", "nothing"]
"""Where a figure comes from: earlier rounds, a timed trial, an ordinary machine, people's pace; or a stage
that does no work of its own."""


class Span(ProgramConfig):
    """An expected value with a range that holds nine times in ten."""

    expected: float
    low: float
    high: float

    def times(self, factor: float) -> Self:
        """All three by a factor."""
        return self.model_copy(
            update={
                "expected": self.expected * factor,
                "low": self.low * factor,
                "high": self.high * factor,
            }
        )


class StageForecast(ProgramConfig):
    """One stage."""

    stage: str
    seconds: Span
    """Without what waits for people."""
    basis: Basis
    num_rounds: int = 0
    """Earlier rounds that it was learned from."""
    amount: float = 0.0
    """How much there is to compute, in the stage's own unit (`alignment.forecast.work`)."""
    disk_bytes: int = 0
    """What it leaves on disk."""
    reused: bool = False
    """Its result is there already: it takes no time."""


class Forecast(ProgramConfig):
    """A whole round."""

    stages: tuple[StageForecast, ...]
    seconds: Span
    """Of all stages that compute."""
    people_days: Span | None = None
    """Until people have given the judgements that the recipe waits for; None where that is not known."""
    num_judgements: int = 0
    """What people are asked for."""
    machine_cost: Span | None = None
    """None where no price of a machine's hour is set."""
    machine_currency: str = ""
    people_cost: float | None = None
    """None where the project's pay is not known."""
    people_currency: str = ""
    disk_bytes: int
    """What the round leaves on disk."""
    disk_peak: int
    """The most that it needs at one time, checkpoints for resuming among it."""
    disk_free: int
    """What was free when the forecast was made."""

    @property
    def fits(self) -> bool:
        """Whether the disk has room."""
        return self.disk_peak <= self.disk_free

    def of(self, stage: str) -> StageForecast | None:
        """One stage's."""
        return next((each for each in self.stages if each.stage == stage), None)


def total(spans: list[Span]) -> Span:
    """The sum of independent spans: the ends' distances add as squares."""
    expected = sum(span.expected for span in spans)
    below = sum((span.expected - span.low) ** 2 for span in spans) ** 0.5
    above = sum((span.high - span.expected) ** 2 for span in spans) ** 0.5
    return Span(expected=expected, low=max(0.0, expected - below), high=expected + above)
