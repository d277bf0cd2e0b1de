"""`python -m pretrain.scaling.fit run.json`: the law of runs that are already there."""

from pathlib import Path

from pretrain.run import ProgramConfig, RunFolder, program_main
from pretrain.scaling.points import read_points
from pretrain.scaling.report import FitRecipe, write_report


class FitConfig(ProgramConfig):
    """Result: as `python -m pretrain.scaling` gives it."""

    points: Path
    """JSON lines, one for each run: budget, num_tokens, loss, and answer_nll and accuracy where measured."""
    fit: FitRecipe = FitRecipe()


def run(config: FitConfig, folder: RunFolder) -> None:
    """Read, fit, draw."""
    write_report(read_points(config.points), config.fit, folder)


if __name__ == "__main__":
    program_main(FitConfig, run)
