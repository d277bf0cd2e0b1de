"""From runs at equal FLOPs to a law: the best number of tokens for a budget, and what the best model reaches.

Comes in: runs (budget, tokens, losses). Goes out: a Law. The chain is Llama 3's (section 3.2.1): a parabola
in the logarithm of tokens for each budget; its lowest points give N*(C) = A · C^α; there, the negative
log-likelihood of right answers against FLOPs; and from that, by a sigmoid, accuracy. Pure.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pretrain.failures import ProgramError
from pretrain.scaling.curves import (
    Form,
    Line,
    Parabola,
    Sigmoid,
    Trend,
    Values,
    coefficients,
    fit_line,
    fit_parabola,
    fit_sigmoid,
    fit_trend,
)
from pretrain.scaling.points import OtherModel, RunPoint


@dataclass(frozen=True, kw_only=True)
class Budget:
    """The runs of one budget."""

    flops: float
    log_tokens: Values
    losses: Values
    answer_nlls: Values | None
    accuracies: Values | None


@dataclass(frozen=True, kw_only=True)
class Optimum:
    """The best of a budget."""

    flops: float
    num_tokens: float
    loss: float
    answer_nll: float | None
    parabola: Parabola
    is_inside: bool
    """Whether it lies among the runs: outside, it is a guess and no law stands on it."""


@dataclass(frozen=True, kw_only=True)
class Law:
    """What the sweep says. The logarithms are decimal."""

    optima: list[Optimum]
    tokens: Line
    """log N* over log C: slope α, start log A."""
    loss: Trend
    answer_nll: Trend | None
    accuracy: Sigmoid | None

    @property
    def exponent(self) -> float:
        """α."""
        return self.tokens.slope

    @property
    def coefficient(self) -> float:
        """A."""
        return float(10**self.tokens.start)

    def forecast(self, flops: float) -> dict[str, float]:
        """{"num_tokens", "loss", "answer_nll", "accuracy"} of the best model of a budget, as far as known."""
        at = math.log10(flops)
        found = {"num_tokens": float(10 ** self.tokens.at(at)), "loss": self.loss.at(at)}
        if self.answer_nll is not None:
            found["answer_nll"] = self.answer_nll.at(at)
            if self.accuracy is not None:
                found["accuracy"] = float(self.accuracy.at(np.array([found["answer_nll"]]))[0])
        return found


def by_budget(points: Sequence[RunPoint]) -> list[Budget]:
    """The runs of each budget, smallest first. Raises ProgramError where there are too few."""
    grouped: dict[float, list[RunPoint]] = defaultdict(list)
    for point in points:
        grouped[point.budget].append(point)
    found: list[Budget] = []
    for flops in sorted(grouped):
        runs = sorted(grouped[flops], key=lambda point: point.num_tokens)
        if len({run.num_tokens for run in runs}) < 4:
            raise ProgramError(
                f"The budget of {flops:.3g} FLOPs has {len(runs)} runs: a parabola wants four or more with "
                "different numbers of tokens. Add runs, or leave the budget out."
            )
        found.append(
            Budget(
                flops=flops,
                log_tokens=np.log10([run.num_tokens for run in runs]),
                losses=np.array([run.loss for run in runs]),
                answer_nlls=known([run.answer_nll for run in runs]),
                accuracies=known([run.accuracy for run in runs]),
            )
        )
    return found


def known(values: Sequence[float | None]) -> Values | None:
    """The values, or None where one is missing."""
    return None if any(value is None for value in values) else np.array(values, dtype=float)


def optimum_of(budget: Budget) -> Optimum | None:
    """The lowest point of a budget's parabola; None where it has none, or only far from all runs."""
    parabola = fit_parabola(budget.log_tokens, budget.losses)
    first, last = budget.log_tokens.min(), budget.log_tokens.max()
    if parabola is None or not 2 * first - last <= parabola.bottom <= 2 * last - first:
        return None
    answer_nll = None
    if budget.answer_nlls is not None:
        centred = budget.log_tokens - parabola.bottom
        answer_nll = float(coefficients(centred, budget.answer_nlls, 2)[0])
    return Optimum(
        flops=budget.flops,
        num_tokens=10**parabola.bottom,
        loss=parabola.low,
        answer_nll=answer_nll,
        parabola=parabola,
        is_inside=bool(first <= parabola.bottom <= last),
    )


def fit_law(budgets: Sequence[Budget], others: Sequence[OtherModel], *, form: Form, chance: float) -> Law:
    """The law of all budgets whose best lies inside. Raises ProgramError where fewer than two have one."""
    optima = [optimum for optimum in map(optimum_of, budgets) if optimum is not None]
    sound = [optimum for optimum in optima if optimum.is_inside]
    if len(sound) < 2:
        raise ProgramError(
            f"{len(sound)} of {len(budgets)} budgets have their best model among their runs, and a law wants "
            "two: add smaller and larger models, or more budgets."
        )
    logs = [math.log10(optimum.flops) for optimum in sound]
    answer_nlls = known([optimum.answer_nll for optimum in sound])
    loss = fit_trend(logs, [optimum.loss for optimum in sound], form)
    if loss is None:
        raise ProgramError('A loss of 0 or less is no power of FLOPs: set form to "line".')
    if form == "saturating" and len(sound) < 4:
        raise ProgramError(
            f"A saturating law wants four budgets with their best model among their runs, not {len(sound)}: "
            'add budgets, or set form to "power" or "line".'
        )
    return Law(
        optima=optima,
        tokens=fit_line(logs, [optimum.parabola.bottom for optimum in sound]),
        loss=loss,
        answer_nll=None if answer_nlls is None else fit_trend(logs, answer_nlls, form),
        accuracy=fit_accuracy(budgets, others, chance),
    )


def accuracy_points(budgets: Sequence[Budget], others: Sequence[OtherModel]) -> tuple[Values, Values]:
    """What the sigmoid is fitted to: negative log-likelihoods of right answers, and accuracies."""
    with_tasks = [
        (budget.answer_nlls, budget.accuracies)
        for budget in budgets
        if budget.answer_nlls is not None and budget.accuracies is not None
    ]
    nlls = [nlls for nlls, _ in with_tasks] + [np.array([other.answer_nll for other in others])]
    accuracies = [found for _, found in with_tasks] + [np.array([other.accuracy for other in others])]
    return np.concatenate(nlls), np.concatenate(accuracies)


def fit_accuracy(
    budgets: Sequence[Budget], others: Sequence[OtherModel], chance: float, begin: Sigmoid | None = None
) -> Sigmoid | None:
    """The sigmoid from likelihood to accuracy; None where fewer than four models tell both."""
    nlls, accuracies = accuracy_points(budgets, others)
    return fit_sigmoid(nlls, accuracies, chance, begin) if len(nlls) >= 4 else None
