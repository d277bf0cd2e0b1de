"""Two models side by side, as page, command and API show them: answers, data, recipes, training curves.

Reads only.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Prefetch

from accounts.errors import NotFound
from alignment.card_facts import round_data
from alignment.compared_answers import Source, asked_both, people_figures, sampled, sources
from alignment.console.curves import metric_plots
from alignment.console.programs import metrics
from alignment.lineage import made_by_rounds
from alignment.model_card import DataFacts, flat
from alignment.models import ModelComparison, Program, Round, Stage
from alignment.selectors import QUALITY_PROGRAM
from alignment.side_by_side import Answers, Figures, differing
from pretrain.plots import Plot
from registry.models import Checkpoint

CURVES = ("loss", "accuracy", "margin")
VARIANT = "variant-1"


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of the two."""

    checkpoint: Checkpoint
    round: Round | None
    """That made it."""
    results: Figures = field(default_factory=dict)
    """Of the round's stages, by name."""
    programs: dict[tuple[str, str], Program] = field(default_factory=dict)
    """Those of the round that are shown here, by stage and name."""

    @property
    def name(self) -> str:
        """The checkpoint's."""
        return self.checkpoint.name


def sides_of(first: Checkpoint, second: Checkpoint) -> tuple[Side, Side]:
    """Both checkpoints, each with its round. Four statements, however much there is."""
    made = made_by_rounds({first.pk, second.pk})
    shown = Program.objects.filter(name__in=(VARIANT, QUALITY_PROGRAM))
    stages = Stage.objects.only("round_id", "name", "result").prefetch_related(Prefetch("programs", shown))
    rounds = (
        Round.objects.select_related("project", "base", "snapshot")
        .prefetch_related(Prefetch("stages", stages))
        .in_bulk({round_id for round_id, _, _ in made.values()})
    )
    first_side, second_side = (
        _side(each, rounds.get(made[each.pk][0]) if each.pk in made else None) for each in (first, second)
    )
    return first_side, second_side


def _side(checkpoint: Checkpoint, round_: Round | None) -> Side:
    stages = [] if round_ is None else list(round_.stages.all())
    return Side(
        checkpoint=checkpoint,
        round=round_,
        results={stage.name: stage.result for stage in stages},
        programs={
            (stage.name, program.name): program for stage in stages for program in stage.programs.all()
        },
    )


def policies_of(rounds: Collection[Round]) -> dict[int, Checkpoint]:
    """What stands for each round, by its id: its averaged policy. Two statements.

    Raises NotFound where a round has none yet.
    """
    stages = Stage.objects.filter(round__in=rounds, name=Stage.Name.AVERAGING)
    made = {
        stage.round_id: stage.result.get("checkpoints", {}).get("average")
        for stage in stages.only("round_id", "result")
    }
    policies = Checkpoint.objects.in_bulk([pk for pk in made.values() if pk is not None])
    for round_ in rounds:
        if made.get(round_.pk) not in policies:
            raise NotFound(f"{round_} has no policy yet: wait until its averaging has ended.")
    return {round_id: policies[pk] for round_id, pk in made.items() if pk in policies}


def comparison_report(first: Side, second: Side) -> dict[str, Any]:  # Any: JSON
    """Everything without the answers themselves, for the command and the API."""
    found = sides_sources(first, second)
    return {
        "first": first.name,
        "second": second.name,
        "answers": answers_figures(found[0]) if found else None,
        "data": [{"what": what, "first": a, "second": b} for what, a, b in data_changes(first, second)],
        "recipe": [
            {"setting": name, "first": a, "second": b} for name, a, b in recipe_changes(first, second)
        ],
    }


def sides_sources(first: Side, second: Side, asked: list[ModelComparison] | None = None) -> list[Source]:
    """Where both answered; `asked` is what `asked_both` found, looked up where it is not given."""
    if asked is None:
        asked = asked_both(first.checkpoint, second.checkpoint)
    made_by = {side.round.pk for side in (first, second) if side.round is not None}
    return sources(first.checkpoint, second.checkpoint, asked, made_by)


def answers_figures(source: Source) -> dict[str, Any]:  # Any: JSON
    """Win rates of the first, by the reward model and by people where they judged."""
    found = sampled(source)
    figures = found.figures
    return {
        "source": source.key,
        "scored_by": source.reward_model,
        **figures,
        "by_domain": [{"domain": domain, **rate} for domain, rate in figures["by_domain"]],
        "by_grade": [
            {"grade": grade, "first": mine, "second": other} for grade, mine, other in figures["by_grade"]
        ],
        "by_people": _told(people_figures(source, found.domains)),
    }


def _told(people: Figures | None) -> Figures | None:
    if people is None:
        return None
    domains = [{"domain": domain, **rate} for domain, rate in people["by_domain"]]
    return {"overall": people["overall"], "by_domain": domains}


def data_changes(first: Side, second: Side) -> list[tuple[str, str, str]]:
    """What the two rounds learned from, where it is not the same."""
    return differing(*(_data_rows(side) for side in (first, second)))


def recipe_changes(first: Side, second: Side) -> list[tuple[str, str, str]]:
    """The settings that are not the same."""
    return differing(*(dict(flat(_recipe(side))) for side in (first, second)))


def training_curves(first: Side, second: Side) -> list[tuple[str, list[Plot]]]:
    """Both rounds' training, a diagram for each figure of each stage; nothing outside rounds."""
    if first.round is None or second.round is None or first.round == second.round:
        return []
    charts = []
    for stage in (Stage.Name.REWARD_MODEL, Stage.Name.SFT, Stage.Name.DPO):
        runs = {
            side.round.title: metrics(side.programs[stage, VARIANT])
            for side in (first, second)
            if side.round is not None and (stage, VARIANT) in side.programs
        }
        if plots := metric_plots(runs, CURVES):
            charts.append((str(stage.label), plots))
    return charts


def rewards_of(answers: Answers) -> list[float]:
    """Every answer's reward."""
    return [answer.reward for rows in answers.values() for answer in rows]


def _recipe(side: Side) -> Figures:
    return dict(side.round.recipe if side.round else side.checkpoint.recipe)


def _data_rows(side: Side) -> dict[str, str]:
    if side.round is None:
        return {}
    quality = side.programs.get((Stage.Name.SFT, QUALITY_PROGRAM))
    ended = quality is not None and quality.state == Program.State.FINISHED
    control: Figures = dict(quality.result) if quality is not None and ended else {}
    data: DataFacts | None = round_data(side.round, side.results, control)
    if data is None:
        return {}
    rows = {
        "judgements that train": data.num_train,
        "judgements held out": data.num_holdout,
        "of the newest round": data.num_newest,
        "people who judged": data.num_annotators,
        **{f"domain {name}": number for name, number in data.domains},
        **{f"language {name}": number for name, number in data.languages},
        **{f"grade {name}": number for name, number in data.strengths},
        **{f"judgements left out: {reason}": number for reason, number in sorted(data.dropped.items())},
        **{f"SFT examples from {source}": number for source, number in sorted(data.examples.items())},
    }
    for step, reasons in data.dropped_examples:
        rows |= {f"{step}: left out: {reason}": number for reason, number in sorted(reasons.items())}
    return {name.replace("_", " "): f"{number:,}" for name, number in rows.items()} | {
        "snapshot": data.content_hash[:12]
    }
