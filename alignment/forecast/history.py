"""Reads what earlier rounds computed and how long it took: three statements, whatever their number."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alignment.forecast.rates import Observed
from alignment.forecast.weights import num_parameters
from alignment.forecast.work import GIGA, SAMPLING, STARTS, TRAINING
from alignment.models import Program, Round, RoundForecast, Stage
from alignment.selectors import GATHERS
from annotation.models import Project

MOST_ROUNDS = 12
"""Finished rounds that are looked back on, of all projects: the machine is the same."""


@dataclass(frozen=True, kw_only=True)
class PastRound:
    """One finished round."""

    project_id: int
    observed: Mapping[str, Observed]
    """By stage."""
    tokens_per_row: Mapping[str, float]
    """By training stage."""
    tokens_per_answer: float | None
    kept_share: float | None
    """Examples of SFT that came from rejection sampling, for each of its prompts."""


@dataclass(frozen=True, kw_only=True)
class Past:
    """Finished rounds, newest first, and how wrong their forecasts were."""

    rounds: Sequence[PastRound] = ()
    errors: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """log(actual / forecast) by stage, newest first."""

    def observed(self, stage: str) -> list[Observed]:
        """What the stage took in each round that ran it."""
        return [each.observed[stage] for each in self.rounds if stage in each.observed]


def past_rounds(project: Project) -> Past:
    """What is known, the project's own rounds first where it has any: their texts are like its next ones."""
    found = list(
        Round.objects.filter(state=Round.State.FINISHED)
        .select_related("base")
        .prefetch_related("stages")
        .order_by("-finished_at")[:MOST_ROUNDS]
    )
    programs: defaultdict[int | None, list[Program]] = defaultdict(list)
    rows = Program.objects.filter(stage__round__in=found).only(
        "stage_id", "module", "name", "result", "reused_from_id"
    )
    for program in rows:
        programs[program.stage_id].append(program)
    rounds = [past for each in found if (past := past_round(each, programs)) is not None]
    rounds.sort(key=lambda past: past.project_id != project.pk)
    return Past(rounds=rounds, errors=_errors(found))


def past_round(round_: Round, programs: Mapping[int | None, Sequence[Program]]) -> PastRound | None:
    """What a round computed, `programs` by the stage's id; None where its base is no longer there."""
    parameters = num_parameters(Path(round_.base.path))
    if parameters is None:
        return None
    stages = {stage.name: stage for stage in round_.stages.all()}
    amounts = {name: _amount(stage, programs.get(stage.pk, ()), parameters) for name, stage in stages.items()}
    observed = {
        name: Observed(amount=amount, seconds=seconds, starts=STARTS.get(name, 0))
        for name, amount in amounts.items()
        if amount and (seconds := stages[name].seconds)
    }
    rows = {
        name: tokens
        for name in TRAINING
        if name in stages and (tokens := _tokens_per_row(stages[name], round_.recipe, programs))
    }
    sampled = _result(stages, Stage.Name.REJECTION_SAMPLING)
    answers = sampled.get("num_prompts", 0) * round_.recipe.get("rejection", {}).get("num_candidates", 0)
    kept = _result(stages, Stage.Name.SFT).get("examples", {}).get("rejection_sampling")
    return PastRound(
        project_id=round_.project_id,
        observed=observed,
        tokens_per_row=rows,
        tokens_per_answer=sampled["num_tokens"] / answers if answers and sampled.get("num_tokens") else None,
        kept_share=kept / sampled["num_prompts"] if kept and sampled.get("num_prompts") else None,
    )


def _amount(stage: Stage, programs: Sequence[Program], parameters: int) -> float:
    """What the stage computed, in its unit (`alignment.forecast.work`); 0 where that is not known."""
    if any(program.reused_from_id for program in programs):
        return 0.0  # it took over what others had computed
    if stage.name in TRAINING + SAMPLING:
        tokens = sum(
            int(program.result.get("num_tokens", 0)) for program in programs if program.module != GATHERS
        )
        return tokens * parameters / GIGA
    if stage.name == Stage.Name.AVERAGING and programs:
        return len(stage.round.recipe.get("dpo", ())) * parameters / GIGA
    if stage.name == Stage.Name.SNAPSHOT and stage.result:
        counted = [stage.result.get("train", 0), stage.result.get("holdout", 0)]
        return (sum(counted) + sum(stage.result.get("dropped", {}).values())) / 1000
    return 1.0 if stage.name == Stage.Name.DEPLOY and stage.result.get("deployments") else 0.0


def _tokens_per_row(
    stage: Stage,
    recipe: dict[str, Any],  # Any: JSON
    programs: Mapping[int | None, Sequence[Program]],
) -> float | None:
    """Tokens of one example, over the stage's variants."""
    variants = recipe.get("reward" if stage.name == "reward_model" else stage.name, [])
    by_name = {f"variant-{number + 1}": variant for number, variant in enumerate(variants)}
    tokens = rows = 0.0
    for program in programs.get(stage.pk, ()):
        if program.name in by_name and program.result.get("num_tokens"):
            tokens += program.result["num_tokens"]
            rows += program.result["num_examples"] * by_name[program.name]["optimizer"]["num_epochs"]
    return tokens / rows if rows else None


def _result(stages: Mapping[str, Stage], name: Stage.Name) -> dict[str, Any]:  # Any: JSON
    return dict(stages[name].result) if name in stages else {}


def _errors(rounds: Sequence[Round]) -> dict[str, list[float]]:
    """How wrong the rounds' own forecasts were, where they were learned from history."""
    errors: defaultdict[str, list[float]] = defaultdict(list)
    kept = {each.round_id: each.figures for each in RoundForecast.objects.filter(round__in=rounds)}
    for round_ in rounds:
        actual = {stage.name: stage.seconds for stage in round_.stages.all()}
        for forecast in kept.get(round_.pk, {}).get("stages", ()):
            seconds, expected = actual.get(forecast["stage"]), forecast["seconds"]["expected"]
            if seconds and expected and forecast["basis"] == "history" and not forecast["reused"]:
                errors[forecast["stage"]].append(math.log(seconds / expected))
    return dict(errors)
