"""Laws from runs whose constants are known, and what is said where there is no law."""

from typing import get_args

import numpy as np
import pytest

from pretrain.failures import ProgramError
from pretrain.scaling.certainty import Certainty, certainty, held_out_error
from pretrain.scaling.curves import Form, Sigmoid, fit_sigmoid, fit_trend
from pretrain.scaling.law import Law, by_budget, fit_law, optimum_of
from pretrain.scaling.points import OtherModel, RunPoint
from tests.pretrain.scaling.runs import (
    BUDGETS,
    COEFFICIENT,
    EXPONENT,
    E,
    best_loss,
    best_tokens,
    chinchilla_runs,
    parabola_runs,
)

LLAMA = (0.53, 0.29)
"""α and A of Llama 3, section 3.2.1."""
FAR = 3.8e25
"""The FLOPs of its largest model."""


def law_of(points: list[RunPoint], form: Form = "power", num_draws: int = 40) -> tuple[Law, Certainty]:
    """The law and its intervals."""
    budgets = by_budget(points)
    law = fit_law(budgets, [], form=form, chance=0.25)
    found = certainty(budgets, [], law, targets=[FAR], num_draws=num_draws, confidence=0.95, seed=0)
    return law, found


def test_parabolas_of_runs_without_noise_give_their_law_exactly() -> None:
    law, _ = law_of(parabola_runs(*LLAMA, noise=0.0, seed=0))
    assert (law.exponent, law.coefficient) == pytest.approx(LLAMA, rel=1e-6)
    assert law.forecast(FAR)["num_tokens"] == pytest.approx(0.29 * FAR**0.53, rel=1e-4)


def test_the_laws_of_llama_3_lie_in_their_intervals() -> None:
    found = [law_of(parabola_runs(*LLAMA, noise=0.002, seed=seed))[1] for seed in range(5)]
    inside = [one.exponent[0] <= LLAMA[0] <= one.exponent[1] for one in found]
    assert sum(inside) >= 4
    assert sum(one.coefficient[0] <= LLAMA[1] <= one.coefficient[1] for one in found) >= 4
    assert all(one.exponent[1] - one.exponent[0] < 0.05 for one in found)


def test_chinchillas_closed_form_is_found_by_parabolas_alone() -> None:
    law, _ = law_of(chinchilla_runs(noise=0.0, seed=0))
    assert law.exponent == pytest.approx(EXPONENT, abs=1e-4)
    # A parabola is not the whole of Chinchilla's loss: A comes out a little low.
    assert law.coefficient == pytest.approx(COEFFICIENT, rel=0.03)
    law, found = law_of(chinchilla_runs(noise=0.003, seed=1))
    assert found.exponent[0] <= EXPONENT <= found.exponent[1]
    low, high = found.forecasts[FAR]["num_tokens"]
    assert low <= best_tokens(FAR) <= high


def test_a_saturating_law_finds_the_floor_that_a_power_misses() -> None:
    budgets = by_budget(chinchilla_runs(noise=0.0, seed=0))
    power, saturating = (
        fit_law(budgets, [], form=form, chance=0.25) for form in get_args(Form) if form != "line"
    )
    assert saturating.loss.floor == pytest.approx(E, abs=0.05)
    assert saturating.forecast(FAR)["loss"] == pytest.approx(best_loss(FAR), abs=0.03)
    assert power.forecast(FAR)["loss"] < best_loss(FAR) - 0.2


def test_the_largest_budget_is_forecast_from_the_smaller_ones() -> None:
    budgets = by_budget(parabola_runs(*LLAMA, noise=0.0, seed=0, accuracy_of=(0.9, 8.0)))
    checked = held_out_error(budgets, [], form="power", chance=0.25)
    assert checked is not None and checked.flops == BUDGETS[-1]
    assert {name: round(error, 3) for name, error in checked.errors.items()} == {
        "num_tokens": 0,
        "loss": 0,
        "answer_nll": 0,
        "accuracy": 0,
    }


def test_likelihood_becomes_accuracy_by_a_sigmoid_that_other_models_widen() -> None:
    truth = Sigmoid(middle=0.9, slope=8.0, floor=0.25)
    points = parabola_runs(*LLAMA, noise=0.002, seed=2, accuracy_of=(truth.middle, truth.slope))
    better = np.array([0.3, 0.5])
    others = [
        OtherModel(answer_nll=float(nll), accuracy=float(found))
        for nll, found in zip(better, truth.at(better), strict=True)
    ]
    law = fit_law(by_budget(points), others, form="power", chance=0.25)
    assert law.accuracy is not None
    assert (law.accuracy.middle, law.accuracy.slope) == pytest.approx((0.9, 8.0), rel=1e-3)
    forecast = law.forecast(FAR)
    assert forecast["accuracy"] == pytest.approx(
        float(truth.at(np.array([forecast["answer_nll"]]))[0]), abs=1e-3
    )


def test_a_sigmoid_of_noisy_accuracies_is_near_the_truth() -> None:
    truth = Sigmoid(middle=1.4, slope=5.0, floor=0.25)
    x = np.linspace(0.8, 2.2, 40)
    y = truth.at(x) + 0.02 * np.random.default_rng(0).normal(size=40)
    found = fit_sigmoid(x, y, 0.25)
    assert (found.middle, found.slope) == pytest.approx((1.4, 5.0), rel=0.1)


def test_a_step_and_a_level_are_fitted_without_a_fault() -> None:
    x = np.array([1.0, 2.0, 3.0, 4.0])
    step = fit_sigmoid(x, np.array([1.0, 1.0, 0.25, 0.25]), 0.25)
    assert step.at(x) == pytest.approx([1.0, 1.0, 0.25, 0.25], abs=1e-3)
    level = fit_sigmoid(x, np.full(4, 0.6), 0.25)
    assert np.isfinite(level.at(x)).all()


def test_a_trend_in_the_logarithm_is_a_line() -> None:
    trend = fit_trend([18.0, 20.0], [1.0, 0.8], "line")
    assert trend is not None and trend.at(22.0) == pytest.approx(0.6)
    assert fit_trend([18.0, 20.0], [1.0, 0.0], "power") is None


def test_a_parabola_as_flat_as_a_line_has_no_best() -> None:
    logs = (8.0, 8.5, 9.0, 9.5)
    flat = [RunPoint(budget=1e18, num_tokens=10**at, loss=3 - at / 10 + at**2 * 1e-7) for at in logs]
    assert optimum_of(by_budget(flat)[0]) is None


def test_runs_that_give_no_law_are_answered_with_what_to_add() -> None:
    points = parabola_runs(*LLAMA, noise=0.0, seed=0)
    with pytest.raises(ProgramError, match="has 3 runs: a parabola wants four"):
        by_budget([point for place, point in enumerate(points) if place % 7 < 3])
    falling = [point.model_copy(update={"loss": 9 - np.log10(point.num_tokens)}) for point in points]
    with pytest.raises(ProgramError, match="0 of 6 budgets have their best model among their runs"):
        law_of(falling)
    with pytest.raises(ProgramError, match="wants four budgets"):
        law_of([point for point in points if point.budget > 1e20], "saturating")
    negative = [point.model_copy(update={"loss": point.loss - 9}) for point in points]
    with pytest.raises(ProgramError, match='set form to "line"'):
        law_of(negative)
