"""Whether an evaluated model may be deployed: plain checks on plain numbers.

Pure. A gate that fails names every problem in a sentence with the figure; an admin may override it
with a reason, which is kept.
"""

from collections.abc import Mapping
from typing import Any

from alignment.recipe import GateRecipe


def gate_problems(evaluation: Mapping[str, Any], recipe: GateRecipe) -> list[str]:  # Any: a program's JSON
    """What speaks against deploying, a sentence each; empty when the gate is open.

    `evaluation` is the evaluation program's result (alignment.programs.EvaluationConfig).
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
    over_base = evaluation["win_rate"].get("base")
    if over_base is not None and over_base["low"] <= recipe.min_win_rate_over_base:
        problems.append(
            f"The win rate over the base is {over_base['value']:.3f} with a lower end of "
            f"{over_base['low']:.3f}, not above {recipe.min_win_rate_over_base}: the round did not help."
        )
    return problems
