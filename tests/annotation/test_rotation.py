"""Which prompts are asked: least used first, and by weights that hold over many draws."""

import itertools
from collections import Counter

from annotation.rotation import prompt_rotation

COUNTED = [
    *((key, ("coding", "en"), 0) for key in range(4)),
    *((key, ("coding", "zh"), 0) for key in range(10, 14)),
    *((key, ("general", "en"), key % 2) for key in range(20, 28)),
]


def test_without_weights_the_least_used_come_first_in_an_order_of_the_seed() -> None:
    first, again, other = (
        list(itertools.islice(prompt_rotation(COUNTED, {}, seed=seed), 16)) for seed in (1, 1, 2)
    )
    assert first == again != other
    assert sorted(first) == [key for key, _, _ in COUNTED]
    assert set(first[12:]) == {21, 23, 25, 27}


def test_weights_hold_over_many_draws_and_nothing_is_asked_at_zero() -> None:
    weights = {("coding", "en"): 3.0, ("coding", "zh"): 0.0}
    drawn = list(itertools.islice(prompt_rotation(COUNTED, weights, seed=5), 4000))
    groups = {key: group for key, group, _ in COUNTED}
    counts = Counter(groups[key] for key in drawn)
    assert counts[("coding", "zh")] == 0
    # Three to one; four standard deviations are 110.
    assert abs(counts[("coding", "en")] - 3000) < 110
    within = Counter(key for key in drawn if groups[key] == ("coding", "en"))
    assert max(within.values()) - min(within.values()) <= 1


def test_a_seed_gives_the_same_draws_and_calls_with_one_seed_go_on_from_each_other() -> None:
    weights = {("coding", "en"): 2.0}

    def draws(drawn: int) -> list[int]:
        return list(itertools.islice(prompt_rotation(COUNTED, weights, seed=5, drawn=drawn), 20))

    assert draws(0) == draws(0) != draws(20)


def test_where_all_weights_are_zero_nothing_is_asked() -> None:
    weights = dict.fromkeys({group for _, group, _ in COUNTED}, 0.0)
    assert list(prompt_rotation(COUNTED, weights, seed=1)) == []
    assert list(prompt_rotation([], {}, seed=1)) == []
