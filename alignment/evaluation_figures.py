"""What an evaluation found, made ready for the round's page: figures beside the diagrams that show them.

Pure. Comes in: the evaluation program's result. Goes out: one entry for each card of the page, None for what
was not measured.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from annotation.records import Strength
from pretrain.plots import Axis, Line, Plot, Point, fitted_axis, plot

Figures = Mapping[str, Any]  # Any: a program's JSON

CONFIDENCE_TICKS = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
SHARE_TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)


def evaluation_figures(
    evaluation: Figures, history: Sequence[Figures]
) -> dict[str, Any]:  # Any: of a template
    """{"accuracy_by_strength", "calibration", "outside"}; `history` is of `selectors.win_rate_history`."""
    reward_model = evaluation.get("reward_model") or {}
    return {
        "accuracy_by_strength": strongest_first(reward_model.get("by_strength", {})),
        "calibration": calibration_card(evaluation.get("calibration")),
        "outside": outside_card(evaluation, history) if evaluation else None,
    }


def outside_card(evaluation: Figures, history: Sequence[Figures]) -> dict[str, Any]:  # Any: of a template
    """What people and others outside say of the answers, beside the reward model's own opinion."""
    reports = evaluation.get("outside", [])
    return {
        "reports": reports,
        "by_k": [
            {
                **report["best_of_k"],
                "last": report["best_of_k"]["points"][-1],
                "plot": best_of_k_plot(report),
            }
            for report in reports
            if report.get("best_of_k")
        ],
        "by_round": win_rate_plot(history),
        "is_judged": any(each["outside"] for each in history),
    }


def best_of_k_plot(report: Figures) -> Plot:
    """What the pick among K gains by the proxy and by those outside, over K."""
    points = report["best_of_k"]["points"]
    lines = [
        Line(
            name=name,
            series=series,
            points=[
                Point(
                    x=math.log2(point["k"]),
                    y=point[column]["value"],
                    low=point[column]["low"],
                    high=point[column]["high"],
                )
                for point in points
            ],
        )
        for series, (name, column) in enumerate((("the reward model", "proxy"), (report["by"], "gold")), 1)
    ]
    heights = [
        value
        for line in lines
        for point in line.points
        for value in (point.y, point.low, point.high)
        if value
    ]
    ks = [point["k"] for point in points]
    return plot(
        f"Best of K by the reward model, as the reward model and as {report['by']} see it",
        lines,
        Axis(
            label="K answers to pick from",
            limits=(0.0, math.log2(ks[-1])),
            ticks=[math.log2(k) for k in ks],
            names=[str(k) for k in ks],
        ),
        fitted_axis("Gain over one answer, in standard deviations", [0.0, *heights]),
    )


def win_rate_plot(history: Sequence[Figures]) -> Plot | None:
    """Win rates over the base, round by round, a line for each who judged; None before the second round."""
    if len(history) < 2:
        return None
    numbers = [each["number"] for each in history]
    whose = ["the reward model", *dict.fromkeys(name for each in history for name in each["outside"])]
    rates = [{"the reward model": each["proxy"], **each["outside"]} for each in history]
    lines = [
        Line(
            name=name,
            series=series,
            points=[
                Point(x=number, y=rate[name]["value"], low=rate[name]["low"], high=rate[name]["high"])
                for number, rate in zip(numbers, rates, strict=True)
                if rate.get(name)
            ],
        )
        for series, name in enumerate(whose[:6], 1)
    ]
    return plot(
        "Win rate over the base, round by round",
        lines,
        Axis(
            label="round",
            limits=(numbers[0] - 0.3, numbers[-1] + 0.3),
            ticks=numbers,
            names=[str(number) for number in numbers],
        ),
        Axis(label="Win rate over the base", limits=(0.0, 1.0), ticks=SHARE_TICKS, percent=True),
        guide=[(numbers[0] - 0.3, 0.5), (numbers[-1] + 0.3, 0.5)],
    )


def calibration_card(calibration: Figures | None) -> dict[str, Any] | None:  # Any: of a template
    """The figures with their reliability diagram and what the temperature says."""
    if not calibration:
        return None
    return {
        **calibration,
        "by_strength": strongest_first(calibration["by_strength"]),
        "plot": reliability_diagram(calibration["bins"]),
        "advice": temperature_advice(calibration["temperature"]),
    }


def strongest_first(by_strength: Figures) -> list[tuple[str, Figures]]:
    """Figures by strength in order: PostgreSQL keeps none of a JSON object."""
    return [(strength.value, by_strength[strength]) for strength in Strength if strength in by_strength]


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
