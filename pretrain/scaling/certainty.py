"""How far a law can be trusted: intervals by the bootstrap, and the error of a forecast that could be
checked.

Comes in: the runs of each budget and the law fitted to them. Goes out: intervals of A, α and of forecasts,
and what the law of the smaller budgets would have said of the largest. Pure: the seed comes in.

The bootstrap draws residuals (Efron 1979): those of the parabolas, of all budgets together and widened by
√(n / (n - 3)) for the three numbers that each took, give new losses; those of the laws, widened by √(m / (m
- 2)), then move the new optima. Both hold the noise of the runs, so the intervals err on the wide side.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pretrain.failures import ProgramError
from pretrain.scaling.curves import Form, Sigmoid, Values, coefficients, fit_line, fit_sigmoid, fit_trend
from pretrain.scaling.law import (
    Budget,
    Law,
    Optimum,
    accuracy_points,
    fit_law,
    known,
    optimum_of,
)
from pretrain.scaling.points import OtherModel

Interval = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Certainty:
    """Intervals of a law."""

    exponent: Interval
    coefficient: Interval
    forecasts: Mapping[float, Mapping[str, Interval]]
    """By FLOPs, then by what is forecast."""
    num_draws: int
    """Draws that gave a law; the others had no optimum among the runs of two budgets."""


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """A forecast of the largest budget from the smaller ones, beside what it was."""

    flops: float
    forecast: Mapping[str, float]
    measured: Mapping[str, float]
    errors: Mapping[str, float]
    """Parts of what was measured; for accuracy the plain difference."""


def held_out_error(
    budgets: Sequence[Budget], others: Sequence[OtherModel], *, form: Form, chance: float
) -> HeldOut | None:
    """The check; None where the smaller budgets give no law or the largest has no optimum."""
    last = optimum_of(budgets[-1])
    if last is None or not last.is_inside:
        return None
    try:
        law = fit_law(budgets[:-1], others, form=form, chance=chance)
    except ProgramError:
        return None
    measured = {"num_tokens": last.num_tokens, "loss": last.loss}
    if last.answer_nll is not None:
        measured["answer_nll"] = last.answer_nll
    if budgets[-1].accuracies is not None:
        measured["accuracy"] = accuracy_near(budgets[-1], last)
    forecast = {name: value for name, value in law.forecast(last.flops).items() if name in measured}
    errors = {
        name: value - measured[name] if name == "accuracy" else value / measured[name] - 1
        for name, value in forecast.items()
    }
    return HeldOut(flops=last.flops, forecast=forecast, measured=measured, errors=errors)


def accuracy_near(budget: Budget, optimum: Optimum) -> float:
    """Of the run whose number of tokens is nearest to the best."""
    assert budget.accuracies is not None
    return float(budget.accuracies[np.abs(budget.log_tokens - optimum.parabola.bottom).argmin()])


def certainty(
    budgets: Sequence[Budget],
    others: Sequence[OtherModel],
    law: Law,
    *,
    targets: Sequence[float],
    num_draws: int,
    confidence: float,
    seed: int,
    told: Callable[[int], None] = lambda num_done: None,
) -> Certainty:
    """The intervals that hold `confidence` of the draws. `told(num_done)` is called after each draw."""
    draws = Draws(budgets, others, law, np.random.default_rng(seed))
    laws: list[Law] = []
    for number in range(num_draws):
        drawn = draws.law()
        if drawn is not None:
            laws.append(drawn)
        told(number + 1)
    if len(laws) < max(10, num_draws // 2):
        raise ProgramError(
            f"Only {len(laws)} of {num_draws} draws gave a law: the runs are too noisy for their number. Add "
            "runs to each budget, or make each longer."
        )
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]

    def interval(values: Sequence[float]) -> Interval:
        low, high = np.quantile(values, tails)
        return float(low), float(high)

    forecasts = {flops: [drawn.forecast(flops) for drawn in laws] for flops in targets}
    return Certainty(
        exponent=interval([drawn.exponent for drawn in laws]),
        coefficient=interval([drawn.coefficient for drawn in laws]),
        forecasts={
            flops: {name: interval([one[name] for one in found]) for name in found[0]}
            for flops, found in forecasts.items()
        },
        num_draws=len(laws),
    )


class Draws:
    """Laws as they might have been."""

    def __init__(
        self, budgets: Sequence[Budget], others: Sequence[OtherModel], law: Law, draw: np.random.Generator
    ) -> None:
        sound = [optimum.flops for optimum in law.optima if optimum.is_inside]
        self._budgets = [budget for budget in budgets if budget.flops in sound]
        self._law = law
        self._draw = draw
        self._smooth = [smoothed(budget) for budget in self._budgets]
        widened = [math.sqrt(len(b.losses) / max(1, len(b.losses) - 3)) for b in self._budgets]
        self._loss_left = np.concatenate(
            [
                wide * (budget.losses - smooth.losses)
                for wide, budget, smooth in zip(widened, self._budgets, self._smooth, strict=True)
            ]
        )
        self._answer_left: Values | None = None
        if law.answer_nll is not None:
            self._answer_left = np.concatenate(
                [
                    wide * (budget.answer_nlls - smooth.answer_nlls)
                    for wide, budget, smooth in zip(widened, self._budgets, self._smooth, strict=True)
                    if budget.answer_nlls is not None and smooth.answer_nlls is not None
                ]
            )
        self._law_left = self._residuals_of_laws()
        self._sigmoid_points = accuracy_points(budgets, others)

    def law(self) -> Law | None:
        """One draw."""
        optima = [optimum_of(self._drawn(budget)) for budget in self._smooth]
        sound = [optimum for optimum in optima if optimum is not None]
        if len(sound) < 2:
            return None
        logs = [math.log10(optimum.flops) for optimum in sound]
        moved = self._law_left[:, self._draw.integers(self._law_left.shape[1], size=len(sound))]
        tokens = [optimum.parabola.bottom for optimum in sound] + moved[0]
        form = self._law.loss.form
        loss = fit_trend(logs, [optimum.loss for optimum in sound] + moved[1], form)
        nlls = known([optimum.answer_nll for optimum in sound])
        answer_nll = None if nlls is None else fit_trend(logs, nlls + moved[2], form)
        # A draw may fall below what a power can be.
        if loss is None or (self._law.answer_nll is not None and answer_nll is None):
            return None
        return replace(
            self._law,
            optima=sound,
            tokens=fit_line(logs, tokens),
            loss=loss,
            answer_nll=answer_nll,
            accuracy=self._sigmoid(),
        )

    def _drawn(self, smooth: Budget) -> Budget:
        """A budget with new noise, the same draw for both likelihoods of a run: they err together."""
        places = self._draw.integers(len(self._loss_left), size=len(smooth.losses))
        answers = smooth.answer_nlls
        if answers is not None and self._answer_left is not None:
            answers = answers + self._answer_left[places]
        return replace(smooth, losses=smooth.losses + self._loss_left[places], answer_nlls=answers)

    def _sigmoid(self) -> Sigmoid | None:
        fitted = self._law.accuracy
        if fitted is None:
            return None
        nlls, accuracies = self._sigmoid_points
        smooth = fitted.at(nlls)
        left = (accuracies - smooth) * math.sqrt(len(nlls) / (len(nlls) - 2))
        return fit_sigmoid(nlls, smooth + self._draw.choice(left, size=len(left)), fitted.floor, fitted)

    def _residuals_of_laws(self) -> Values:
        """What the optima lie off their laws: rows are tokens, loss, right answers; columns are budgets."""
        law = self._law
        sound = [optimum for optimum in law.optima if optimum.is_inside]
        logs = [math.log10(optimum.flops) for optimum in sound]
        rows = [
            [optimum.parabola.bottom - law.tokens.at(at) for optimum, at in zip(sound, logs, strict=True)],
            [optimum.loss - law.loss.at(at) for optimum, at in zip(sound, logs, strict=True)],
            [0.0] * len(sound),
        ]
        if law.answer_nll is not None:
            rows[2] = [
                optimum.answer_nll - law.answer_nll.at(at)
                for optimum, at in zip(sound, logs, strict=True)
                if optimum.answer_nll is not None
            ]
        return np.array(rows) * math.sqrt(len(sound) / max(1, len(sound) - 2))


def smoothed(budget: Budget) -> Budget:
    """The budget with the parabolas' values in place of what was measured."""
    x = budget.log_tokens - budget.log_tokens.mean()
    powers = np.vander(x, 3, increasing=True)
    answers = budget.answer_nlls
    return replace(
        budget,
        losses=powers @ coefficients(x, budget.losses, 2),
        answer_nlls=None if answers is None else powers @ coefficients(x, answers, 2),
    )
