"""Quality by score: the union of the highest rewards and the judge's best."""

from alignment.quality.recipe import QualityRecipe
from alignment.quality.scores import choose_by_score, priorities, reward_ranks
from tests.alignment.quality.factories import keys, make_example

EXAMPLES = [make_example(str(number)) for number in range(8)]
REWARDS = {str(number): float(number) for number in range(8)}


def test_the_top_quarter_by_reward_is_kept() -> None:
    kept, left_out = choose_by_score(EXAMPLES, REWARDS, {}, QualityRecipe(min_examples=0))
    assert keys(kept) == ["6", "7"]
    assert {each.reason for each in left_out} == {"not among the highest rewards"}
    assert left_out[0].detail == "reward 0.000"


def test_full_marks_of_the_judge_are_kept_too() -> None:
    judged = {"0": 1.0, "1": 8 / 9, "7": 0.0}
    kept, left_out = choose_by_score(EXAMPLES, REWARDS, judged, QualityRecipe(min_examples=0))
    assert keys(kept) == ["0", "6", "7"]
    reasons = {each.example.id: each.reason for each in left_out}
    assert reasons["1"] == "not among the highest rewards nor the judge's best"
    assert reasons["2"] == "not among the highest rewards"


def test_small_data_is_kept_whole() -> None:
    assert choose_by_score(EXAMPLES, REWARDS, {}, QualityRecipe(min_examples=8))[1] == []


def test_what_people_wrote_needs_no_score() -> None:
    written = make_example("written", source="edited")
    kept, _ = choose_by_score([*EXAMPLES, written], REWARDS, {}, QualityRecipe(min_examples=1))
    assert keys(kept) == ["6", "7", "written"]


def test_of_equal_rewards_the_first_is_kept() -> None:
    recipe = QualityRecipe(min_examples=0)
    kept, _ = choose_by_score(EXAMPLES[:4], dict.fromkeys("0123", 1.0), {}, recipe)
    assert keys(kept) == ["0"]


def test_a_rank_is_the_part_of_rewards_not_above_it() -> None:
    rewards = {"0": 5.0, "1": -1.0, "2": 5.0, "3": 9.0}
    assert reward_ranks(EXAMPLES[:4], rewards) == {"0": 0.75, "1": 0.25, "2": 0.75, "3": 1.0}


def test_a_priority_is_quality_times_difficulty() -> None:
    examples = [*EXAMPLES[:4], make_example("written", source="edited")]
    difficulty = {"0": 1.0, "1": 0.5, "2": 1.0, "written": 0.25}
    found = priorities(examples, REWARDS, {"0": 0.75, "3": 0.5}, difficulty)
    # The last sampled one has no difficulty of its own: the mean is 2.75 / 4.
    assert found == [0.75, 0.5 * 0.5, 0.75, 0.6875, 0.25]
    assert priorities(EXAMPLES[:4], REWARDS, {}, {}) == [0.25, 0.5, 0.75, 1.0]
