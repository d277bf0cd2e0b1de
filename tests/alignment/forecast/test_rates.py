"""How long stages take: exact on what was seen, honest about what was not."""

import math

import pytest

from alignment.forecast.figures import Span, total
from alignment.forecast.rates import Estimate, Observed, Prior, estimate

GUESS = Prior(seconds_per_amount=2.0, spread=1.0, basis="guess")


def forecast(amount: float, *observed: Observed, errors: tuple[float, ...] = ()) -> Estimate:
    """The estimate of one program that starts in 10 s."""
    return estimate(amount, 1, observed, start_seconds=10.0, prior=GUESS, errors=errors)


def seen(amount: float, seconds: float) -> Observed:
    """One program's stage."""
    return Observed(amount=amount, seconds=seconds, starts=1)


def test_without_history_it_is_the_prior_and_its_spread() -> None:
    found = forecast(5.0)
    assert (found.basis, found.num_rounds) == ("guess", 0)
    assert found.seconds.expected == 20.0
    assert found.seconds.high == pytest.approx(20 + 10 * math.exp(1.645))


def test_the_same_work_takes_what_it_took() -> None:
    assert forecast(100.0, seen(100, 60)).seconds.expected == pytest.approx(60)


def test_twice_the_work_takes_twice_as_long_but_for_the_start() -> None:
    assert forecast(200.0, seen(100, 60)).seconds.expected == pytest.approx(10 + 100)


def test_the_start_of_a_stage_shorter_than_it_is_taken_from_the_stage() -> None:
    assert forecast(2.0, seen(1, 5)).seconds.expected == pytest.approx(4 + 2)


def test_newer_rounds_weigh_more() -> None:
    slow, fast = seen(100, 210), seen(100, 110)
    assert forecast(100.0, slow, fast).seconds.expected > forecast(100.0, fast, slow).seconds.expected


def test_more_rounds_that_agree_narrow_the_range() -> None:
    one, five = forecast(100.0, seen(100, 60)), forecast(100.0, *[seen(100, 60)] * 5)
    assert five.seconds.high < one.seconds.high
    assert five.num_rounds == 5
    # Student's with 2 degrees of freedom, a spread of 0.2 and one observation.
    assert one.seconds.high == pytest.approx(20 + 50 * math.exp(2.92 * 0.2 * math.sqrt(2)))


def test_what_is_far_from_what_was_seen_is_less_sure() -> None:
    near, far = forecast(100.0, seen(100, 60)).seconds, forecast(10_000.0, seen(100, 60)).seconds
    assert far.high / far.expected > near.high / near.expected


def test_forecasts_that_were_wrong_widen_the_next_range() -> None:
    rounds = [seen(100, 60)] * 4
    right, wrong = forecast(100.0, *rounds), forecast(100.0, *rounds, errors=(0.9, -0.8))
    assert wrong.seconds.high > right.seconds.high
    assert wrong.seconds.expected == right.seconds.expected


def test_the_ends_of_a_sum_are_nearer_than_the_sum_of_the_ends() -> None:
    summed = total([Span(expected=10, low=7, high=13), Span(expected=20, low=16, high=24)])
    assert summed == Span(expected=30, low=25, high=35)
