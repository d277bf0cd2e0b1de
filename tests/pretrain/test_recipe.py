"""Recipes: the plan of stages, the learning rate over all of them, and recipes that cannot work."""

from typing import Any

import pytest
from pydantic import ValidationError

from pretrain.recipe import (
    RECIPES,
    ModelRecipe,
    averaged_steps,
    learning_rate_at,
    peak_learning_rate,
    recipe_named,
    stage_at,
    stage_plans,
)
from pretrain.run import ProgramError
from tests.pretrain.factories import quick_recipe


def test_stages_follow_each_other_on_one_count_of_steps() -> None:
    plans = stage_plans(quick_recipe())
    assert [(plan.name, plan.first, plan.end) for plan in plans] == [
        ("initial", 0, 30),
        ("long_context", 30, 35),
        ("annealing", 35, 45),
    ]
    assert [stage_at(quick_recipe(), step).name for step in (0, 29, 30, 34, 35, 44)] == [
        "initial", "initial", "long_context", "long_context", "annealing", "annealing",
    ]  # fmt: skip


def test_the_learning_rate_warms_up_follows_the_cosine_stays_and_falls_to_zero() -> None:
    recipe = quick_recipe(learning_rate=1.0, warmup_steps=10, final_fraction=0.1)
    rates = [learning_rate_at(recipe, step) for step in range(45)]
    assert rates[:10] == pytest.approx([0.1 * place for place in range(1, 11)])
    assert rates[19] == pytest.approx(0.55)
    assert rates[29:35] == pytest.approx([0.1] * 6)
    assert rates[35:] == pytest.approx([0.01 * place for place in range(10, 0, -1)])


def test_annealing_checkpoints_are_evenly_spaced_up_to_the_end() -> None:
    assert averaged_steps(quick_recipe(num_averaged=5)) == (37, 39, 41, 43, 45)
    assert averaged_steps(quick_recipe(num_averaged=1)) == (45,)


def test_the_peak_rate_falls_with_the_width_as_llama_3s_do() -> None:
    published = {4096: 3e-4, 8192: 1.5e-4, 16384: 8e-5}
    scale = published[4096] / peak_learning_rate(4096)
    for width, rate in published.items():
        assert scale * peak_learning_rate(width) == pytest.approx(rate, rel=0.07)


def test_the_shape_follows_from_the_width() -> None:
    recipe = ModelRecipe(num_layers=3, hidden_size=160, num_kv_heads=1)
    assert (recipe.num_heads, recipe.ffn_size) == (5, 448)
    assert recipe.describe() == (
        "3 layers, width 160, 5 heads of 32 (width / head size) sharing 1 key-value heads, "
        "feed-forward 448 (8/3 of the width, up to a multiple of 32)"
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_averaged": 11}, "num_averaged 11 is more than the annealing steps"),
        ({"warmup_steps": 31}, "longer than the initial stage"),
        ({"initial": {"num_steps": 30, "num_rows": 4, "sequence_length": 128}}, "must not fall"),
        ({"model": {"num_layers": 1, "hidden_size": 100}}, "multiple of head_size"),
        ({"model": {"num_layers": 1, "hidden_size": 96, "num_kv_heads": 2}}, "heads of num_kv_heads 2"),
        ({"learning_rate": -1.0}, "greater than 0"),
        ({"surprise": 1}, "Extra inputs"),
    ],
)
def test_a_recipe_that_cannot_work_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        quick_recipe(**changes)


def test_recipes_are_found_by_name() -> None:
    assert [recipe_named(name).name for name in RECIPES] == list(RECIPES)
    with pytest.raises(ProgramError, match="There is no recipe huge: choose one of tiny, small"):
        recipe_named("huge")
