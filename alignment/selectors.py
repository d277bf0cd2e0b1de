"""Reads over rounds: progress, reports, logs, curves."""

import json
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.db.models import Prefetch, Q, QuerySet
from django.utils import timezone

from alignment.best_of_k import best_of_k_report
from alignment.models import Program, Round, Stage
from alignment.overrides import overrides_report
from annotation.models import Project

GATHERS = "alignment.sampling.gathering"
"""Its result repeats what the shards of rejection sampling did."""
QUALITY_PROGRAM = "quality"
"""The name of the SFT stage's program that chooses the examples."""


@dataclass(frozen=True, kw_only=True)
class StageProgress:
    """How far a stage is, over all of its programs."""

    done: int
    total: int
    unit: str
    seconds_left: float | None
    """Estimated from the pace so far; None while there is none."""

    @property
    def percent(self) -> int:
        """0 to 100."""
        return round(100 * self.done / self.total) if self.total else 0


def rounds(project: Project | None = None) -> QuerySet[Round]:
    """Rounds, newest first."""
    found = Round.objects.select_related("project", "base").prefetch_related("stages")
    return found if project is None else found.filter(project=project)


def stage_progress(stage: Stage) -> StageProgress:
    """The stage's own progress, or its programs' summed over the group that runs now."""
    programs = list(stage.programs.all())
    done, total, unit = stage.done, stage.total, stage.unit
    if programs:
        active = [program for program in programs if program.state != Program.State.FINISHED] or programs
        group = [program for program in programs if program.group == active[0].group]
        done = sum(program.done for program in group)
        # A program that has not said yet how much it has to do counts like its neighbours.
        known = [program.total for program in group if program.total]
        total = round(sum(known) * len(group) / len(known)) if known else 0
        unit = next((program.unit for program in group if program.unit), "")
    return StageProgress(done=done, total=total, unit=unit, seconds_left=_seconds_left(stage, done, total))


def _seconds_left(stage: Stage, done: int, total: int) -> float | None:
    if stage.started_at is None or not done or done >= total or stage.finished_at is not None:
        return None
    elapsed: timedelta = timezone.now() - stage.started_at
    return elapsed.total_seconds() * (total - done) / done


def round_report(round_: Round) -> dict[str, Any]:  # Any: JSON
    """What a round did and found, for people's tables and for programs."""
    stages = {stage.name: stage for stage in round_.stages.all()}
    evaluation = stages[Stage.Name.EVALUATION].result
    return {
        "project": round_.project.slug,
        "round": round_.number,
        "run": round_.run,
        "state": round_.state,
        "base": round_.base.name,
        "recipe": round_.recipe["name"],
        "snapshot": stages[Stage.Name.SNAPSHOT].result,
        "sft": stages[Stage.Name.SFT].result.get("examples", {}),
        "quality": _quality_result(stages[Stage.Name.SFT]).get("steps", []),
        "rejection_sampling": stages[Stage.Name.REJECTION_SAMPLING].result,
        "evaluation": evaluation,
        "gate": stages[Stage.Name.GATE].result,
        "data_gate": stages[Stage.Name.DATA_GATE].result if Stage.Name.DATA_GATE in stages else {},
        "overrides": overrides_report(round_),
        "judgements": stages[Stage.Name.COLLECT].result.get("judgements", 0),
        "answers": _answers(stages[Stage.Name.EVALUATION]),
        "tokens": round_tokens(round_),
        "reused": _reused(round_),
        "stages": {name: stage.seconds for name, stage in stages.items() if stage.seconds is not None},
    }


def best_of_k(round_: Round) -> dict[str, Any] | None:  # Any: of a template
    """What sampling more answers gained and cost, for the round's page; None before there are figures."""
    stages = {stage.name: stage for stage in round_.stages.all()}
    kept = _quality_result(stages[Stage.Name.SFT]).get("sampled_domains")
    return best_of_k_report(stages[Stage.Name.REJECTION_SAMPLING].result, kept)


def win_rate_history(round_: Round) -> list[dict[str, Any]]:  # Any: figures, JSON
    """The win rates over the base of the project's rounds from this one's base, up to this one, in order.

    [{"number", "proxy": the reward model's win rate, "outside": {who: theirs}}], people's under "people".
    """
    rows = []
    earlier = Round.objects.filter(project=round_.project, base=round_.base)
    earlier = earlier.filter(Q(number__lt=round_.number) | Q(pk=round_.pk))
    told = Stage.objects.filter(name__in=(Stage.Name.EVALUATION, Stage.Name.GATE))
    told = told.only("round_id", "name", "result")
    rounds_before = earlier.only("number").order_by("number", "run")
    # Of several runs of a number the last counts, of this round's number this one.
    runs = {each.number: each for each in rounds_before.prefetch_related(Prefetch("stages", told))}
    for each in runs.values():
        stages = {stage.name: stage.result for stage in each.stages.all()}
        evaluation = stages.get(Stage.Name.EVALUATION, {})
        proxy = evaluation.get("win_rate", {}).get("base")
        if proxy is None:
            continue
        outside = {report["by"]: report["win_rate"].get("base") for report in evaluation.get("outside", [])}
        outside["people"] = stages.get(Stage.Name.GATE, {}).get("by_people", {}).get("base")
        rows.append(
            {
                "number": each.number,
                "proxy": proxy,
                "outside": {who: rate for who, rate in outside.items() if rate is not None},
            }
        )
    return rows


def quality_report(round_: Round) -> dict[str, Any] | None:  # Any: of a template
    """The funnel of the SFT examples as the page shows it; None until quality control has ended."""
    stage = round_.stages.get(name=Stage.Name.SFT)
    result = _quality_result(stage)
    if not result:
        return None
    steps = result["steps"]
    bars = [("All answers", steps[0]["num_in"])]
    bars += [(step["name"].capitalize(), step["num_kept"]) for step in steps]
    topics = result.get("topics") or {"counts": []}
    return {
        **result,
        "key": f"{stage.pk}-{stage.attempt}",
        "bars": bars,
        "steps": [{**step, "reasons": _frequent_first(step["dropped"])} for step in steps],
        "topic_bars": [(topic["name"].capitalize(), topic["number"]) for topic in topics["counts"]],
        "fine_topics": [(topic["name"], _frequent_first(topic["fine"])) for topic in topics["counts"]],
    }


def _quality_result(stage: Stage) -> dict[str, Any]:  # Any: the program's result, JSON
    """What quality control of the SFT stage found; nothing until it has ended."""
    program = stage.programs.filter(name=QUALITY_PROGRAM, state=Program.State.FINISHED).first()
    return {} if program is None else dict(program.result)


def _frequent_first(counts: dict[str, int]) -> list[tuple[str, int]]:
    """Names with their counts in the order of the counts: PostgreSQL keeps no order of a JSON object."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _answers(stage: Stage) -> str | None:
    """Where the evaluation's answers lie, once there are some."""
    program = stage.programs.first()
    if program is None or stage.state != Stage.State.FINISHED:
        return None
    config = Path(program.folder) / "run.json"
    if not config.exists():  # cleared away: the round's figures are kept without it
        return None
    answers: str = json.loads(config.read_text())["answers"]
    return answers


def round_tokens(round_: Round) -> dict[str, int]:
    """Tokens sampled and trained on by the round's programs."""
    programs = Program.objects.filter(stage__round=round_).only("module", "result")
    tokens = {"sampled": 0, "trained": 0}
    for program in programs.exclude(module=GATHERS):
        kind = "sampled" if program.module.startswith("alignment.sampling") else "trained"
        tokens[kind] += int(program.result.get("num_tokens", 0))
    return tokens


def _reused(round_: Round) -> list[str]:
    """The programs that took over what earlier ones had computed, as "stage/program"."""
    reused = Program.objects.filter(stage__round=round_, reused_from__isnull=False)
    names = reused.order_by("stage__position", "group", "pk").values_list("stage__name", "name")
    return [f"{stage}/{name}" for stage, name in names]


def recipe_text(round_: Round) -> str:
    """The whole recipe, to read."""
    return json.dumps(round_.recipe, indent=2)
