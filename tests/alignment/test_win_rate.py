"""Win rates: hand-worked numbers, and intervals that know that answers to one prompt are alike."""

import pytest

from alignment.win_rate import paired_outcomes, win_rate


def test_one_outcome_a_prompt_gives_wilsons_interval() -> None:
    rate = win_rate({str(prompt): [1.0 if prompt < 60 else 0.0] for prompt in range(100)})

    # Wilson, 60 of 100, z 1.96: centre 0.5963, half 0.0944; the sample's variance has 99 below the line,
    # which makes 100 draws of it.
    assert rate["value"] == 0.6
    assert rate["low"] == pytest.approx(0.5020, abs=1e-4)
    assert rate["high"] == pytest.approx(0.6906, abs=1e-4)
    assert rate["comparisons"] == 100


def test_repeated_outcomes_of_a_prompt_make_the_interval_no_narrower() -> None:
    once = win_rate({str(prompt): [float(prompt % 2)] for prompt in range(50)})
    ten_times = win_rate({str(prompt): [float(prompt % 2)] * 10 for prompt in range(50)})

    assert (ten_times["low"], ten_times["high"]) == (once["low"], once["high"])
    assert ten_times["comparisons"] == 500


def test_different_outcomes_of_a_prompt_make_the_interval_narrower() -> None:
    once = win_rate({str(prompt): [float(prompt % 2)] for prompt in range(50)})
    both_ways = win_rate({str(prompt): [1.0, 0.0, float(prompt % 2), 0.5] for prompt in range(50)})

    assert both_ways["value"] == once["value"] == 0.5
    assert both_ways["high"] - both_ways["low"] < (once["high"] - once["low"]) / 2


def test_winning_every_prompt_is_not_certainty() -> None:
    rate = win_rate({str(prompt): [1.0] for prompt in range(10)})

    assert rate["value"] == 1.0
    assert rate["high"] == pytest.approx(1.0)
    assert rate["low"] == pytest.approx(0.7225, abs=1e-4)


def test_prompts_count_alike_however_many_comparisons_they_have() -> None:
    assert win_rate({"much": [1.0] * 9, "little": [0.0]})["value"] == 0.5


@pytest.mark.parametrize("outcomes", [{}, {"prompt": []}, {"prompt": [1.5]}, {"prompt": [-0.1]}])
def test_outcomes_that_make_no_rate_are_refused(outcomes: dict[str, list[float]]) -> None:
    with pytest.raises(ValueError):
        win_rate(outcomes)


def test_every_answer_meets_every_other_and_ties_are_halves() -> None:
    assert paired_outcomes([2.0, 1.0], [1.0, 3.0]) == [1.0, 0.0, 0.5, 0.0]
