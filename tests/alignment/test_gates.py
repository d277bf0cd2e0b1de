"""The gate's sentences, on plain data."""

from alignment.gates import gate_problems
from alignment.recipe import GateRecipe


def evaluation(*, accuracy_low: float = 0.6, win_low: float = 0.55) -> dict[str, object]:
    """An evaluation's result with the figures that the gate reads."""
    return {
        "reward_model": {"accuracy": accuracy_low + 0.05, "low": accuracy_low},
        "win_rate": {"base": {"value": win_low + 0.05, "low": win_low}},
    }


def test_the_gate_is_open_when_both_lower_ends_are_above_a_half() -> None:
    assert gate_problems(evaluation(), GateRecipe()) == []


def test_each_problem_of_the_gate_has_its_figure_and_what_to_do() -> None:
    problems = gate_problems(evaluation(accuracy_low=0.48, win_low=0.5), GateRecipe())
    assert len(problems) == 2
    assert "0.480" in problems[0] and "collect more judgements" in problems[0]
    assert "0.500" in problems[1] and "did not help" in problems[1]


def test_a_reward_model_that_was_not_measured_closes_the_gate() -> None:
    problems = gate_problems({**evaluation(), "reward_model": None}, GateRecipe())
    assert problems == ["The reward model was not measured: there are no held-out judgements."]
