"""Win rates at equal lengths."""

import random

import pytest

from alignment.length_control import Comparison, length_controlled_win_rate, sigmoid


def drawn(
    quality: float, effect: float, *, num_prompts: int, longer: float, seed: int
) -> dict[str, list[Comparison]]:
    """Comparisons by known odds, the answers longer by `longer` on average."""
    random_ = random.Random(seed)
    found = {}
    for prompt in range(num_prompts):
        differences = [random_.gauss(longer, 100) for _ in range(2)]
        found[str(prompt)] = [
            (float(random_.random() < sigmoid(quality + effect * difference / 100)), difference)
            for difference in differences
        ]
    return found


def test_where_length_does_not_matter_it_is_the_plain_win_rate() -> None:
    comparisons = drawn(0.5, 0.0, num_prompts=2000, longer=50, seed=1)
    plain = sum(outcome for rows in comparisons.values() for outcome, _ in rows) / 4000
    controlled = length_controlled_win_rate(comparisons)
    assert controlled["value"] == pytest.approx(plain, abs=0.03)
    assert controlled["length_effect"] == pytest.approx(0, abs=0.15)


def test_a_policy_that_only_rambles_wins_no_more_than_half() -> None:
    comparisons = drawn(0.0, 1.5, num_prompts=2000, longer=80, seed=2)
    plain = sum(outcome for rows in comparisons.values() for outcome, _ in rows) / 4000
    controlled = length_controlled_win_rate(comparisons)
    assert plain > 0.65
    assert controlled["low"] < 0.5 + 0.03 < plain
    assert controlled["value"] == pytest.approx(0.5, abs=0.04)
    assert controlled["length_effect"] > 1


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    truth = sigmoid(0.4)
    holds = [
        figures["low"] <= truth <= figures["high"]
        for seed in range(60)
        if (figures := length_controlled_win_rate(drawn(0.4, 0.3, num_prompts=150, longer=0, seed=seed)))
    ]
    assert 0.85 <= sum(holds) / len(holds) <= 1


def test_a_policy_that_always_wins_gets_a_finite_figure() -> None:
    figures = length_controlled_win_rate({str(prompt): [(1.0, 5.0)] for prompt in range(50)})
    assert 0.9 < figures["low"] <= figures["value"] < 1


def test_the_two_sides_of_a_comparison_add_up_to_one() -> None:
    comparisons = drawn(0.3, 0.7, num_prompts=100, longer=30, seed=4)
    swapped = {
        prompt: [(1 - outcome, -length) for outcome, length in rows] for prompt, rows in comparisons.items()
    }
    one, other = length_controlled_win_rate(comparisons), length_controlled_win_rate(swapped)
    assert one["value"] + other["value"] == pytest.approx(1)
    assert one["low"] == pytest.approx(1 - other["high"])


def test_no_comparisons_are_refused() -> None:
    with pytest.raises(ValueError, match="no comparisons"):
        length_controlled_win_rate({})
