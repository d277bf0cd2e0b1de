"""The gate's sentences, on plain data."""

from alignment.gates import gate_problems
from alignment.quality.recipe import JudgeRecipe
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


def judged(low: float) -> dict[str, object]:
    """An outside report that the candidate beats the base."""
    return {"by": "the judge wise-1", "win_rate": {"base": {"value": low + 0.05, "low": low}}}


def test_a_judge_decides_whatever_the_reward_model_says() -> None:
    recipe = GateRecipe(decided_by="judge", judge=JudgeRecipe(url="https://judge.example/v1", model="wise-1"))
    praised = {**evaluation(win_low=0.9), "outside": [judged(0.44)]}
    (problem,) = gate_problems(praised, recipe)
    assert "over the base by the judge wise-1 is 0.490" in problem
    assert gate_problems({**evaluation(win_low=0.2), "outside": [judged(0.6)]}, recipe) == []
    (problem,) = gate_problems({**evaluation(), "outside": []}, recipe)
    assert "no answer was judged" in problem


def test_people_decide_over_both_other_models_where_the_recipe_asks() -> None:
    recipe = GateRecipe(decided_by="people", min_win_rate_over_previous=0.4)
    found = evaluation(win_low=0.9)
    found["win_rate"] = {**found["win_rate"], "previous": {"value": 0.9, "low": 0.8}}  # type: ignore[dict-item]
    by_people = {"base": {"value": 0.7, "low": 0.6}, "previous": {"value": 0.5, "low": 0.39}}
    (problem,) = gate_problems(found, recipe, by_people=by_people)
    assert "over the previous by people" in problem
    assert len(gate_problems(found, recipe)) == 2


def test_the_first_round_has_no_round_before_to_beat() -> None:
    recipe = GateRecipe(min_win_rate_over_previous=0.5)
    assert gate_problems(evaluation(), recipe) == []


def test_a_reward_model_that_was_not_measured_closes_the_gate() -> None:
    problems = gate_problems({**evaluation(), "reward_model": None}, GateRecipe())
    assert problems == ["The reward model was not measured: there are no held-out judgements."]
