"""The figures of rejection sampling, against hand-worked ones."""

from statistics import fmean

import pytest

from alignment.rejection.figures import figures, seconds_by_domain
from tests.alignment.rejection.factories import make_prompt, make_set


def test_the_figures_are_those_of_the_candidates() -> None:
    found = [make_set(make_prompt(str(number)), float(number), 3.0, -1.0, best=1) for number in range(2)]
    got = figures(found, {"sums": 6.0})
    assert (got["num_prompts"], got["num_chosen"], got["num_tokens"], got["seconds"]) == (2, 2, 12, 6.0)
    assert got["mean_reward"] == fmean([0, 3, -1, 1, 3, -1])
    assert got["mean_best_reward"] == 3.0
    assert got["reward_by_k"] == {"1": 0.5, "2": 3.0, "3": 3.0}
    assert got["share_above_median"] == 1.0
    assert got["policies"] == {"newest": 2}


def test_domains_have_figures_of_their_own() -> None:
    found = [
        make_set(make_prompt("1", domain="sums"), 1.0, 1.0),
        make_set(make_prompt("2", domain="sums"), 1.0, 1.0),
        make_set(make_prompt("3", domain="coding"), 1.0, 5.0, best=1, num_tokens=10),
    ]
    got = figures(found, {"sums": 2.0, "coding": 4.0})
    assert list(got["domains"]) == ["coding", "sums"]
    coding, sums = got["domains"].values()
    assert (coding["num_tokens"], coding["seconds"], coding["share_above_median"]) == (20, 4.0, 1.0)
    assert (sums["num_prompts"], sums["mean_best_reward"], sums["share_above_median"]) == (2, 1.0, 0.0)
    assert got["seconds"] == 6.0


def test_refused_answers_are_counted_and_are_in_no_reward() -> None:
    found = [
        make_set(make_prompt("1"), 1.0, 2.0, best=1),
        make_set(make_prompt("2"), 9.0, 9.0, best=None, refused="language"),
    ]
    got = figures(found, {})
    assert (got["num_prompts"], got["num_chosen"], got["num_tokens"]) == (2, 1, 8)
    assert got["num_refused"] == {"language": 2}
    assert got["mean_best_reward"] == 2.0
    assert got["reward_by_k"] == {"1": 1.0, "2": 2.0}


def test_where_no_answer_can_be_chosen_there_are_no_rewards() -> None:
    got = figures([make_set(make_prompt("1"), 1.0, best=None, refused="form")], {})
    assert (got["mean_best_reward"], got["reward_by_k"], got["share_above_median"]) == (None, {}, None)
    assert figures([], {})["num_prompts"] == 0


def test_seconds_are_shared_out_by_the_tokens_drawn() -> None:
    sums = make_set(make_prompt("1"), 1.0, num_tokens=10)
    coding = make_set(make_prompt("2", domain="coding"), 1.0, num_tokens=30)
    seconds = seconds_by_domain([(4.0, [sums, coding]), (1.0, [sums])])
    assert seconds == pytest.approx({"sums": 2.0, "coding": 3.0})
