"""What an evaluation found, made ready for the round's page: figures beside the diagrams that show them.

Pure. Comes in: the evaluation program's result. Goes out: one entry for each card of the page, None for what
was not measured.
"""

from collections.abc import Mapping
from typing import Any

from alignment.plots import Axis, Line, Plot, Point, plot

Figures = Mapping[str, Any]  # Any: a program's JSON

CONFIDENCE_TICKS = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
SHARE_TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)


def evaluation_figures(evaluation: Figures) -> dict[str, Any]:  # Any: of a template
    """{"calibration"}."""
    return {"calibration": calibration_card(evaluation.get("calibration"))}


def calibration_card(calibration: Figures | None) -> dict[str, Any] | None:  # Any: of a template
    """The figures with their reliability diagram and what the temperature says."""
    if not calibration:
        return None
    return {
        **calibration,
        "plot": reliability_diagram(calibration["bins"]),
        "advice": temperature_advice(calibration["temperature"]),
    }


def reliability_diagram(bins: list[Figures]) -> Plot:
    """Accuracy over confidence, a dot for each bin, larger where it has more pairs."""
    most = max(each["num_pairs"] for each in bins)
    points = [
        Point(
            x=each["confidence"],
            y=each["accuracy"],
            low=each["low"],
            high=each["high"],
            weight=each["num_pairs"] / most,
        )
        for each in bins
    ]
    return plot(
        "Reliability diagram: how often people agreed, over how sure the reward model was",
        [Line(name="agreed", series=1, points=points, joined=False)],
        Axis(label="how sure the model was", limits=(0.5, 1.0), ticks=CONFIDENCE_TICKS, percent=True),
        Axis(label="How often people agreed", limits=(0.0, 1.0), ticks=SHARE_TICKS, percent=True),
        guide=[(0.5, 0.5), (1.0, 1.0)],
    )


def temperature_advice(temperature: float | None) -> str:
    """What the fitted temperature says, as a sentence."""
    if temperature is None:
        return "No temperature fits: every pair was right, or the model is wrong more than it is right."
    if temperature > 1:
        return f"It is too sure: its rewards say as much as people do when divided by {temperature:.2f}."
    return f"It is not sure enough: its rewards say as much as people do when divided by {temperature:.2f}."
