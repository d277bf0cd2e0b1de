"""Two models side by side, as page, command and API show them: answers, data, recipes, training curves.

Reads only.
"""

from dataclasses import dataclass
from typing import Any

from accounts.errors import NotFound
from alignment.card_facts import round_data
from alignment.compared_answers import Source, people_figures, sampled, sources
from alignment.console.curves import metric_plots
from alignment.console.programs import metrics
from alignment.lineage import made_by_rounds
from alignment.model_card import DataFacts, flat
from alignment.models import Program, Round, Stage
from alignment.plots import Plot
from alignment.side_by_side import Answers, Figures, compared, differing
from registry.models import Checkpoint

CURVES = ("loss", "accuracy", "margin")
VARIANT = "variant-1"


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of the two."""

    checkpoint: Checkpoint
    round: Round | None
    """That made it."""

    @property
    def name(self) -> str:
        """The checkpoint's."""
        return self.checkpoint.name


def sides_of(first: Checkpoint, second: Checkpoint) -> tuple[Side, Side]:
    """Both checkpoints, each with its round."""
    made = made_by_rounds({first.pk, second.pk})
    rounds = Round.objects.select_related("project", "base", "snapshot").in_bulk(
        {round_id for round_id, _, _ in made.values()}
    )
    sides = [
        Side(checkpoint=each, round=rounds.get(made[each.pk][0]) if each.pk in made else None)
        for each in (first, second)
    ]
    return sides[0], sides[1]


def policy_of(round_: Round) -> Checkpoint:
    """What stands for a round: its averaged policy. Raises NotFound before there is one."""
    stage = Stage.objects.filter(round=round_, name=Stage.Name.AVERAGING).first()
    made = {} if stage is None else stage.result.get("checkpoints", {})
    policy = Checkpoint.objects.filter(pk=made["average"]).first() if "average" in made else None
    if policy is None:
        raise NotFound(f"{round_} has no policy yet: wait until its averaging has ended.")
    return policy


def comparison_report(first: Side, second: Side) -> dict[str, Any]:  # Any: JSON
    """Everything without the answers themselves, for the command and the API."""
    found = sources(first.checkpoint, second.checkpoint)
    return {
        "first": first.name,
        "second": second.name,
        "answers": answers_figures(found[0]) if found else None,
        "data": [{"what": what, "first": a, "second": b} for what, a, b in data_changes(first, second)],
        "recipe": [
            {"setting": name, "first": a, "second": b} for name, a, b in recipe_changes(first, second)
        ],
    }


def answers_figures(source: Source) -> dict[str, Any]:  # Any: JSON
    """Win rates of the first, by the reward model and by people where they judged."""
    found = sampled(source)
    figures = compared(found.first, found.second, found.domains)
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
    rounds = (first.round, second.round)
    programs = Program.objects.filter(stage__round__in=rounds, name=VARIANT).select_related("stage")
    found = {(each.round_id, each.stage.name): each for each in programs if each.stage is not None}
    charts = []
    for stage in (Stage.Name.REWARD_MODEL, Stage.Name.SFT, Stage.Name.DPO):
        runs = {
            round_.title: metrics(found[round_.pk, stage]) for round_ in rounds if (round_.pk, stage) in found
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
    results = dict(side.round.stages.values_list("name", "result"))
    data: DataFacts | None = round_data(side.round, results, with_agreement=False)
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
