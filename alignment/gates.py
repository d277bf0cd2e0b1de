"""Whether an evaluated model may be deployed: plain checks on plain numbers.

Pure. A gate that fails names every problem in a sentence with the figure; an admin may override it with a
reason, which is kept. Held-out judgements, which are people's, are always asked; the policy's win rates are
those of whoever the recipe says decides: an outside judge, people, or the reward model alone (a proxy).
"""

from collections.abc import Mapping
from typing import Any

from alignment.recipe import GateRecipe

Figures = Mapping[str, Any]  # Any: a program's JSON

PROXY_NOTE = (
    "Only the round's own reward model and held-out judgements spoke for this model: nobody outside has "
    "judged its answers. Name a judge in gate.judge, or let people decide (gate.decided_by), to be safe from "
    "over-optimisation."
)


def gate_problems(evaluation: Figures, recipe: GateRecipe, *, by_people: Figures | None = None) -> list[str]:
    """What speaks against deploying, a sentence each; empty when the gate is open.

    `evaluation` is the evaluation stage's result: that of its programs (alignment.programs.EvaluationConfig),
    with the outside reports under "outside". `by_people` has people's win rates by the other policy's name.
    """
    problems = []
    accuracy = evaluation.get("reward_model")
    if accuracy is None:
        problems.append("The reward model was not measured: there are no held-out judgements.")
    elif accuracy["low"] <= recipe.min_reward_accuracy:
        problems.append(
            f"The reward model's held-out accuracy is {accuracy['accuracy']:.3f} with a lower end of "
            f"{accuracy['low']:.3f}, not above {recipe.min_reward_accuracy}: collect more judgements."
        )
    whose, rates = deciding_win_rates(evaluation, recipe, by_people)
    for other, least in asked_of(recipe).items():
        rate = rates.get(other)
        if rate is None:
            if recipe.decided_by != "proxy" and other in evaluation["win_rate"]:
                problems.append(f"There is no win rate over the {other} by {whose}: no answer was judged.")
        elif rate["low"] <= least:
            problems.append(
                f"The win rate over the {other} by {whose} is {rate['value']:.3f} with a lower end of "
                f"{rate['low']:.3f}, not above {least}: the round did not help."
            )
    return problems


def asked_of(recipe: GateRecipe) -> dict[str, float]:
    """What the win rate over each other policy must be above."""
    asked = {"base": recipe.min_win_rate_over_base, "previous": recipe.min_win_rate_over_previous}
    return {other: least for other, least in asked.items() if least is not None}


def deciding_win_rates(
    evaluation: Figures, recipe: GateRecipe, by_people: Figures | None
) -> tuple[str, Figures]:
    """Who decides, in words, and their win rates of the candidate by the other policy's name."""
    if recipe.decided_by == "people":
        return "people", by_people or {}
    if recipe.decided_by == "proxy":
        return "the round's own reward model", evaluation["win_rate"]
    judged = [report for report in evaluation.get("outside", []) if report["win_rate"]]
    return (judged[0]["by"], judged[0]["win_rate"]) if judged else ("the judge", {})
