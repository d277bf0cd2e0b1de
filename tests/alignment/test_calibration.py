"""Calibration: hand-worked figures, the temperature that generated the data, and what the page draws."""

import math
import random

import pytest

from alignment.calibration import best_temperature, calibration, reliability_bins
from alignment.evaluation_figures import calibration_card, evaluation_figures

LOG_3 = math.log(3)
"""The margin to which the model gives 3/4."""


def drawn_margins(number: int, *, temperature: float) -> list[float]:
    """Margins of a model whose probabilities hold after its margins are divided by `temperature`."""
    draw = random.Random(3)
    margins = []
    for _ in range(number):
        margin = draw.gauss(0, 2)
        better = draw.random() < 1 / (1 + math.exp(-margin))
        margins.append(temperature * (margin if better else -margin))
    return margins


def test_the_figures_are_those_worked_by_hand() -> None:
    # Two pairs at 3/4, one right: accuracy 1/2; errors 1/4 and 3/4 of the preferred response.
    found = calibration([("better", LOG_3), ("better", -LOG_3)])
    assert found["accuracy"] == 0.5
    assert found["confidence"] == pytest.approx(0.75)
    assert found["ece"] == pytest.approx(0.25)
    assert found["brier"] == pytest.approx((0.25**2 + 0.75**2) / 2)
    assert found["nll"] == pytest.approx(-(math.log(0.75) + math.log(0.25)) / 2)


def test_a_model_without_an_opinion_is_a_coin() -> None:
    found = calibration([("better", 0.0)] * 4)
    assert (found["accuracy"], found["confidence"], found["ece"], found["brier"]) == (0.5, 0.5, 0.0, 0.25)
    assert found["nll"] == pytest.approx(math.log(2))
    assert found["temperature"] is None


def test_bins_go_from_a_half_to_certainty_and_count_every_pair_once() -> None:
    bins = reliability_bins([0.0, 0.01, -LOG_3, LOG_3, LOG_3, 50.0])
    assert [(each["from"], each["to"], each["num_pairs"]) for each in bins] == [
        (0.5, 0.55, 2),
        (0.75, 0.8, 3),
        (0.95, 1.0, 1),
    ]
    assert [each["accuracy"] for each in bins] == pytest.approx([0.75, 2 / 3, 1.0])
    assert all(each["low"] <= each["accuracy"] <= each["high"] for each in bins)


@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
def test_the_temperature_is_found_again(temperature: float) -> None:
    margins = drawn_margins(20_000, temperature=temperature)
    found = calibration([("better", margin) for margin in margins])
    assert found["temperature"] == pytest.approx(temperature, rel=0.05)
    assert found["nll_at_temperature"] <= found["nll"] + 1e-12
    if temperature == 1.0:
        assert found["ece"] < 0.015


@pytest.mark.parametrize("margins", [[1.0, 2.0], [-1.0, 0.5], [0.0]])
def test_no_temperature_is_named_where_none_is_best(margins: list[float]) -> None:
    assert best_temperature(margins) is None


def test_each_strength_has_its_own_figures_strongest_first() -> None:
    found = calibration([("better", LOG_3), ("significantly_better", 2.0), ("better", -LOG_3)])
    assert list(found["by_strength"]) == ["significantly_better", "better"]
    assert found["by_strength"]["better"]["ece"] == pytest.approx(0.25)


def test_the_diagram_has_a_dot_with_an_interval_for_each_bin() -> None:
    card = calibration_card(calibration([("better", LOG_3), ("better", LOG_3), ("better", -LOG_3)]))
    assert card is not None
    (line,) = card["plot"].lines
    (dot,) = line.points
    # Half of the way across, two thirds up; the axes leave 44 and 8, 8 and 40 of 360 by 230.
    assert dot.x == pytest.approx(44 + 308 / 2, abs=0.1)
    assert dot.y == pytest.approx(190 - 182 * 2 / 3, abs=0.1)
    assert dot.top < dot.y < dot.bottom
    assert "too sure" in card["advice"]


def test_a_round_that_was_not_measured_has_no_card() -> None:
    assert evaluation_figures({}, []) == {
        "accuracy_by_strength": [],
        "calibration": None,
        "outside": None,
    }
