"""Best of K measured by gold: against the mean over all subsets, and where a proxy is over-optimised."""

import math
import random
from itertools import combinations
from statistics import fmean

import pytest

from alignment.over_optimisation import best_of_k, expected_best


def test_the_expectation_is_the_mean_over_all_subsets() -> None:
    draw = random.Random(1)
    answers = [(draw.random(), draw.random()) for _ in range(7)]
    for k in range(1, 8):
        picked = [max(subset) for subset in combinations(answers, k)]
        proxy, gold = expected_best(answers, k)
        assert proxy == pytest.approx(fmean(each for each, _ in picked))
        assert gold == pytest.approx(fmean(each for _, each in picked))


def test_equal_proxies_are_picked_at_random() -> None:
    assert expected_best([(1.0, 0.0), (1.0, 1.0), (0.0, 5.0)], 3) == pytest.approx((1.0, 0.5))
    # Of the three subsets of two, one holds both equals, the others one each.
    assert expected_best([(1.0, 0.0), (1.0, 1.0), (0.0, 5.0)], 2)[1] == pytest.approx(0.5)


@pytest.mark.parametrize("k", [0, 4])
def test_more_than_there_are_cannot_be_estimated(k: int) -> None:
    with pytest.raises(ValueError, match="from 3 answers"):
        expected_best([(1.0, 0.0), (1.0, 1.0), (0.0, 5.0)], k)


def test_a_proxy_that_parts_from_gold_bends_the_curve_down() -> None:
    """Gold falls again where the proxy is highest, as where rambling is rewarded beyond what is good."""
    draw = random.Random(2)
    prompts = [
        [(length, -((length - 0.6) ** 2)) for length in (draw.random() for _ in range(16))]
        for _ in range(200)
    ]
    found = best_of_k(prompts)
    assert found is not None
    points = found["points"]
    assert [point["k"] for point in points] == [1, 2, 4, 8, 16]
    assert points[0]["kl"] == 0.0
    assert points[4]["kl"] == pytest.approx(math.log(16) - 15 / 16)
    proxies = [point["proxy"]["value"] for point in points]
    assert proxies[0] == 0.0
    assert proxies == sorted(proxies)
    golds = [point["gold"]["value"] for point in points]
    assert golds[1] > 0.2
    assert golds[4] < golds[1] - 0.5
    assert points[4]["gold"]["low"] < golds[4] < points[4]["gold"]["high"]


def test_one_answer_a_prompt_makes_no_curve() -> None:
    assert best_of_k([[(1.0, 1.0)]]) is None
    assert best_of_k([]) is None
