"""`python -m pretrain.scaling run.json`: plan and train an IsoFLOP sweep, fit its law, forecast and draw."""

from pathlib import Path

import torch
from pydantic import Field

from pretrain.run import ProgramConfig, RunFolder, program_main
from pretrain.scaling.plan import plan_runs
from pretrain.scaling.points import write_points
from pretrain.scaling.report import FitRecipe, write_report
from pretrain.scaling.sweep import SweepRecipe, prepare, run_sweep


class ScalingConfig(ProgramConfig):
    """Beside the result the program leaves `points.jsonl`, `runs/` and `plots/` in its folder.

    Result: {"num_runs", "exponent", "coefficient", "optima", "forecasts", "held_out", "sigmoid", "num_draws",
    "plots"}; likelihoods are nats per character of held-out text.
    """

    corpus: Path
    """A file or a folder of .jsonl and .txt files, gzip or not."""
    budgets: tuple[float, ...] = Field(min_length=3)
    """FLOPs of each group of runs: two for the law and one to check a forecast of it."""
    tasks: Path | None = None
    """JSON lines {"context", "choices", "answer"}; none: tasks are made of held-out text."""
    recipe: SweepRecipe = SweepRecipe()
    fit: FitRecipe = FitRecipe()
    seed: int = 0
    num_threads: int = Field(default=2, ge=1)


def run(config: ScalingConfig, folder: RunFolder) -> None:
    """Plan, train what is not done, fit."""
    torch.set_num_threads(config.num_threads)
    data = prepare(config.corpus, config.tasks, config.recipe, config.seed, folder)
    plans = plan_runs(
        config.budgets,
        config.recipe.sizes,
        vocabulary_size=data.encoder.vocabulary_size,
        num_rows=config.recipe.num_rows,
        sequence_length=config.recipe.sequence_length,
    )
    folder.metrics(0, plan=config.recipe.sizes.describe())
    points = run_sweep(plans, data, config.recipe, config.seed, folder)
    write_points(folder.path / "points.jsonl", points)
    write_report(points, config.fit, folder)


if __name__ == "__main__":
    program_main(ScalingConfig, run)
