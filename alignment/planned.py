"""A dry run with what it leads to: the time and the disk of what is not taken over."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from accounts.errors import Invalid
from alignment.dry_run import PlannedProgram, dry_run
from alignment.forecast.figures import Forecast
from alignment.forecast.forecasting import round_forecast
from alignment.models import Stage
from alignment.recipe import RoundRecipe
from annotation.models import Project
from registry.models import Checkpoint

AVERAGE = "average"
"""Averaging takes no time beside the training of what is averaged."""


@dataclass(frozen=True, kw_only=True)
class PlannedRound:
    """What a round would do."""

    programs: list[PlannedProgram]
    """In order."""
    forecast: Forecast
    """Of those that are not taken over."""

    @property
    def num_reused(self) -> int:
        """How many programs are taken over."""
        return sum(program.does == "reuse" for program in self.programs)


def planned_round(
    project: Project, base: Checkpoint, recipe: RoundRecipe, *, number: int, from_stage: str = ""
) -> PlannedRound:
    """What a round `number` would run and take. Raises Invalid or Conflict where it would be refused.

    It selects and writes the snapshot, and removes it again: seconds where there are many judgements.
    """
    try:
        programs = dry_run(project, base, recipe, number=number, from_stage=from_stage)
    except OSError as error:
        raise Invalid(f"What would run cannot be tried out: {error}. Is there room on the disk?") from error
    forecast = round_forecast(project, base, recipe, reused=reused_shares(programs))
    return PlannedRound(programs=programs, forecast=forecast)


def reused_shares(programs: Iterable[PlannedProgram]) -> dict[str, float]:
    """By stage, how much of it is taken over, of 1: programs count alike, averages only where alone."""
    stages: dict[str, list[PlannedProgram]] = defaultdict(list)
    for program in programs:
        stages[program.stage].append(program)
    shares = {}
    for stage, all_of_it in stages.items():
        counted = [program for program in all_of_it if program.name != AVERAGE] or all_of_it
        shares[stage] = sum(program.does == "reuse" for program in counted) / len(counted)
    return {stage: share for stage, share in shares.items() if share}


def planned_by_stage(planned: PlannedRound) -> list[tuple[str, list[PlannedProgram]]]:
    """The stages' names, as people read them, with their programs."""
    stages: dict[str, list[PlannedProgram]] = {}
    for program in planned.programs:
        stages.setdefault(str(Stage.Name(program.stage).label), []).append(program)
    return list(stages.items())
