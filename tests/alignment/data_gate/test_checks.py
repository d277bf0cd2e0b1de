"""What the data gate asks, figure by figure, and what it says is missing."""

import pytest

from alignment.data_gate.checks import (
    Covered,
    DataCheck,
    DataFigures,
    Estimate,
    data_checks,
    judgements_missing,
    problems,
)
from alignment.data_gate.recipe import DataGateRecipe

GOOD = DataFigures(
    num_judgements=400,
    num_strong=200,
    agreement=Estimate(value=0.5, low=0.4, high=0.6, num=100),
    num_shared=100,
    gold=Estimate(value=0.9, low=0.8, high=0.95, num=80),
    domains={
        "coding": Covered(num_prompts=50, num_covered=10),
        "general": Covered(num_prompts=100, num_covered=90),
    },
    strong_per_day=50.0,
)


def check(name: str, recipe: DataGateRecipe | None = None, **figures: object) -> DataCheck:
    """One check over good figures but for those given."""
    found = data_checks(GOOD.model_copy(update=figures), recipe or DataGateRecipe(), min_judgements=200)
    return next(each for each in found if each.name == name)


def test_good_figures_open_the_gate() -> None:
    found = data_checks(GOOD, DataGateRecipe(), min_judgements=200)
    assert problems(found) == []
    assert [each.state for each in found] == ["met", "met", "met", "not_asked", "met"]


@pytest.mark.parametrize(
    ("num_strong", "per_day", "said"),
    [
        (58, 50.0, "142 more strong judgements are needed: 58 can {}; at this week's pace in 3 days."),
        (199, 50.0, "1 more strong judgement is needed: 199 can {}; at this week's pace in 1 hour."),
        (150, 0.0, "50 more strong judgements are needed: 150 can {}; nobody has given any this week."),
    ],
)
def test_it_says_how_many_judgements_are_missing_and_when_they_are_there(
    num_strong: int, per_day: float, said: str
) -> None:
    assert check("strong", num_strong=num_strong, strong_per_day=per_day).problem == said.format(
        "train and snapshot.min_judgements asks for 200"
    )


def test_low_agreement_that_is_surely_low_is_a_matter_of_guidelines() -> None:
    low = Estimate(value=0.15, low=0.1, high=0.2, num=900)
    assert "make the guidelines clearer" in check("agreement", agreement=low).problem


def test_agreement_that_is_only_unsure_says_how_many_more_comparisons_tell() -> None:
    # An interval of 0.3 below 0.4 must shrink to below 0.2: (0.3 / 0.2)² times the comparisons, and one.
    unsure = Estimate(value=0.4, low=0.1, high=0.7, num=100)
    said = check("agreement", agreement=unsure).problem
    assert "about 126 more comparisons judged by several people" in said


def test_what_cannot_be_measured_is_said_and_does_not_block() -> None:
    alone = check("agreement", agreement=None, num_shared=0)
    assert (alone.state, alone.problem) == ("unmeasured", "")
    assert alone.note.startswith("0 comparisons were judged by several people, and 50 are needed")
    assert check("gold", gold=None).state == "unmeasured"
    assert check("coverage", domains={}).state == "unmeasured"


def test_a_recipe_may_demand_that_it_be_measured() -> None:
    recipe = DataGateRecipe(must_be_measured=("gold",))
    assert check("gold", recipe, gold=None).problem.startswith("Accuracy on checks is not measured and the")
    assert check("agreement", recipe, agreement=None).problem == ""


def test_few_right_on_checks_close_the_gate() -> None:
    assert check("gold", gold=Estimate(value=0.65, low=0.55, high=0.74, num=90)).problem.startswith(
        "People are right on 65% of 90 checks with a lower end of 55%, not above 60%"
    )


def test_coverage_says_how_many_more_prompts_must_be_judged() -> None:
    recipe = DataGateRecipe(min_coverage=0.7)
    assert "6 more prompts must be judged" in check("coverage", recipe).problem  # 106 of 150 are above 0.7
    nothing = {
        "coding": Covered(num_prompts=50, num_covered=0),
        "few": Covered(num_prompts=19, num_covered=0),
    }
    assert ": coding 1. " in check("domains", domains=nothing).problem


def test_what_is_missing_is_reckoned_in_judgements_of_any_grade() -> None:
    assert judgements_missing(GOOD, DataGateRecipe(), min_judgements=200) == 0
    assert judgements_missing(GOOD, DataGateRecipe(), min_judgements=230) == 60  # half of them come to train
    recipe = DataGateRecipe(min_domain_coverage=0.4)
    assert judgements_missing(GOOD, recipe, min_judgements=200) == 22
