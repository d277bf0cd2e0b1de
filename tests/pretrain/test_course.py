"""Gated stages without a model: when a stage ends, when it holds, and what a checkpoint remembers."""

import pytest
from pydantic import ValidationError

from pretrain.course import GatedCourse, Measured, long_context_stages
from pretrain.recipe import RopeChange, StageRecipe, learning_rate_at
from tests.pretrain.factories import quick_recipe
from tests.pretrain.gated import gated_recipe

GOOD = Measured(short_loss=1.0, recall=1.0)


def course_of(*looks: Measured, **gates: int | float) -> GatedCourse:
    """A course of two stages of 2 to 6 steps each after 150, which sees `looks` one after the other, the
    first before long context."""
    told = iter(looks)
    return GatedCourse(gated_recipe(num_stages=2, **gates), lambda _: next(told))


def test_lengths_rise_by_one_factor_up_to_the_recipe_s_last() -> None:
    recipe = gated_recipe()
    assert [stage.sequence_length for stage in long_context_stages(recipe)] == [46, 64, 90, 128, 182, 256]
    assert [stage.num_rows for stage in long_context_stages(recipe)] == [11, 8, 6, 4, 3, 2]
    paper = recipe.model_copy(
        update={
            "initial": StageRecipe(num_steps=1, num_rows=2048, sequence_length=8192),
            "long_context": StageRecipe(num_steps=1, num_rows=128, sequence_length=131_072),
        }
    )
    lengths = [stage.sequence_length for stage in long_context_stages(paper)]
    assert lengths == [12_800, 20_480, 32_768, 52_224, 82_432, 131_072]
    assert all(length % 512 == 0 for length in lengths), "chunks for context and tensor parallelism"


def test_without_gates_the_course_is_the_recipe_s() -> None:
    recipe = quick_recipe()
    course = GatedCourse(recipe)
    assert course.num_steps == 45
    assert [course.learning_rate_at(step) for step in range(45)] == [
        learning_rate_at(recipe, step) for step in range(45)
    ]
    assert course.after_step(30)["ends"] == [] and course.annealing_first == 35


def test_a_stage_ends_at_the_first_look_that_passes_and_annealing_follows_the_last() -> None:
    found_none = Measured(short_loss=1.0, recall=0.5)
    not_recovered = Measured(short_loss=1.06, recall=1.0)
    course = course_of(GOOD, found_none, not_recovered, GOOD, GOOD)
    assert course.num_steps == 150 + 6 + 6 + 6, "at most, for now"
    for step in range(1, 159):
        assert course.annealing_first is None
        course.after_step(step)
    assert course.memory.ends == [156, 158]
    assert [result["num_steps"] for result in course.results()] == [6, 2]
    assert (course.annealing_first, course.num_steps) == (158, 164)
    assert course.averaged_steps() == (160, 162, 164)
    names = [(step, course.stage_at(step).name) for step in (149, 150, 157, 158, 163)]
    assert [name for _, name in names] == ["initial", *["long_context"] * 2, *["annealing"] * 2]
    assert [course.stage_at(step).recipe.sequence_length for step in (155, 156)] == [90, 256]
    assert course.learning_rate_at(157) == pytest.approx(1e-3)
    assert course.learning_rate_at(163) == pytest.approx(1e-3 / 6)


def test_a_stage_that_never_passes_holds_with_its_figures_and_goes_on_under_a_larger_limit() -> None:
    bad = Measured(short_loss=1.2, recall=0.25)
    course = course_of(GOOD, bad, bad, bad)
    for step in range(1, 157):
        assert course.held is None
        memory = course.after_step(step)
    assert course.held is not None
    assert "stage 1 of 2 (rows of 90 tokens) holds after 6 steps" in course.held
    assert "is 1.2000, above 1.0500 (1.0000 before long context, and 5%)" in course.held
    assert "25% of the needles are found, fewer than 90%" in course.held
    again = course_of()
    again.restore(memory)
    assert again.held == course.held
    longer = course_of(GOOD, max_steps=8)
    longer.restore(memory)
    assert longer.held is None
    longer.after_step(157)
    longer.after_step(158)
    assert longer.memory.ends == [158]


def test_a_loss_that_is_no_number_has_not_recovered() -> None:
    course = course_of(GOOD, Measured(short_loss=float("nan"), recall=1.0))
    for step in range(1, 153):
        course.after_step(step)
    assert course.memory.ends == []


def test_rotary_positions_are_those_that_the_recipe_asks_for() -> None:
    assert RopeChange(theta=8e6).parameters(5e5, 8192) == {"rope_type": "default", "rope_theta": 8e6}
    assert RopeChange(scaling="llama3", factor=8).parameters(5e5, 8192) == {
        "rope_type": "llama3",
        "rope_theta": 5e5,
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    }


@pytest.mark.parametrize(
    ("gates", "message"),
    [({"max_steps": 1}, "less than the least steps of a stage"), ({"recall_fraction": 1.0}, "less than 1")],
)
def test_gates_that_cannot_work_are_refused(gates: dict[str, float], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        gated_recipe(**gates)
