"""From runs to a report: the law, its intervals, the check on the largest budget, forecasts and diagrams.

Comes in: the points of a sweep. Goes out: the result of the program, and `plots/*.svg` in its run folder.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from pretrain.run import ProgramConfig, RunFolder, write_atomically
from pretrain.scaling.certainty import certainty, held_out_error
from pretrain.scaling.curves import Form
from pretrain.scaling.drawing import draw_law
from pretrain.scaling.law import Law, by_budget, fit_law
from pretrain.scaling.points import OtherModel, RunPoint
from pretrain.svg import svg

PLOTS = Path("plots")


class FitRecipe(ProgramConfig):
    """How the law is fitted."""

    form: Form = "power"
    """How likelihood goes with FLOPs: `power`, `saturating` above a floor, for forecasts over many powers of
    ten, or `line` in the logarithm, as Llama 3 draws it."""
    chance: float = Field(default=0.25, ge=0, lt=1)
    """Accuracy of a guess: the floor of the sigmoid."""
    others: tuple[OtherModel, ...] = ()
    """Further models for the sigmoid, such as older ones."""
    targets: tuple[float, ...] = ()
    """FLOPs to forecast."""
    num_draws: int = Field(default=1000, ge=20)
    """Of the bootstrap."""
    confidence: float = Field(default=0.95, gt=0, lt=1)
    seed: int = 0


def write_report(points: Sequence[RunPoint], recipe: FitRecipe, folder: RunFolder) -> None:
    """Fit, draw, and finish the run."""
    budgets = by_budget(points)
    law = fit_law(budgets, recipe.others, form=recipe.form, chance=recipe.chance)
    sound = {optimum.flops for optimum in law.optima if optimum.is_inside}
    for budget in budgets:
        if budget.flops not in sound:
            folder.warn(
                f"The best model of {budget.flops:.3g} FLOPs is not among its runs: the budget was left out "
                "of the law. Add smaller or larger models to it."
            )

    def told(num_done: int) -> None:
        if num_done % 100 == 0 or num_done == recipe.num_draws:
            folder.progress(num_done, recipe.num_draws, "draws")

    found = certainty(
        budgets,
        recipe.others,
        law,
        targets=recipe.targets,
        num_draws=recipe.num_draws,
        confidence=recipe.confidence,
        seed=recipe.seed,
        told=told,
    )
    forecasts = {flops: law.forecast(flops) for flops in recipe.targets}
    (folder.path / PLOTS).mkdir(exist_ok=True)
    plots = draw_law(budgets, law, found, forecasts)
    for name, drawn in plots.items():
        write_atomically(folder.path / PLOTS / f"{name}.svg", svg(drawn))
    checked = held_out_error(budgets, recipe.others, form=recipe.form, chance=recipe.chance)
    folder.finish(
        {
            "num_runs": len(points),
            "exponent": {"value": law.exponent, "interval": found.exponent},
            "coefficient": {"value": law.coefficient, "interval": found.coefficient},
            "optima": optima_of(law),
            "forecasts": [
                {
                    "flops": flops,
                    **{
                        name: {"value": value, "interval": found.forecasts[flops][name]}
                        for name, value in values.items()
                    },
                }
                for flops, values in forecasts.items()
            ],
            "held_out": None if checked is None else vars(checked),
            "sigmoid": None if law.accuracy is None else vars(law.accuracy),
            "num_draws": found.num_draws,
            "plots": [f"{PLOTS}/{name}.svg" for name in plots],
        }
    )


def optima_of(law: Law) -> list[dict[str, Any]]:  # Any: numbers and a flag
    """The best of each budget, for the report."""
    return [
        {
            "flops": optimum.flops,
            "num_tokens": optimum.num_tokens,
            "loss": optimum.loss,
            "answer_nll": optimum.answer_nll,
            "is_inside": optimum.is_inside,
        }
        for optimum in law.optima
    ]
