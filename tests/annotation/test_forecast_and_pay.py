"""When a round will be done, and what an hour of work brings."""

import random
from decimal import Decimal

import pytest

from annotation.figures.forecast import forecast
from annotation.figures.pay import Rates, Work, pay_of, pay_of_all


def test_even_days_leave_no_doubt() -> None:
    found = forecast(100, [10, 10, 10])
    assert found is not None
    assert (found.days, found.per_day) == (10, 10)
    assert found.low == pytest.approx(10, abs=0.02) and found.high == pytest.approx(10, abs=0.02)


@pytest.mark.parametrize("daily", [[], [7], [0, 0, 0]])
def test_too_little_is_known_to_say(daily: list[int]) -> None:
    assert forecast(100, daily) is None


def test_what_may_never_be_done_has_no_far_end() -> None:
    found = forecast(1000, [0, 1])
    assert found is not None and found.high is None and found.low < found.days


def test_nine_in_ten_futures_fall_into_the_interval() -> None:
    """Days drawn from one distribution: the interval holds about as often as it says."""
    draw = random.Random(3)
    held = trials = 0
    for _ in range(400):
        found = forecast(600, [draw.randint(10, 60) for _ in range(14)])
        assert found is not None and found.high is not None
        done, days = 0, 0
        while done < 600:
            done += draw.randint(10, 60)
            days += 1
        trials += 1
        held += found.low <= days <= found.high + 1  # whole days are counted up
    assert 0.85 <= held / trials <= 0.99


RATES = Rates(currency="EUR", per_judgement=Decimal("0.50"), per_hour=None, fair_per_hour=Decimal("15.00"))


def test_an_hour_brings_what_its_judgements_bring() -> None:
    quick = Work(name="quick", num_judgements=80, num_timed=80, active_seconds=7200)
    slow = Work(name="slow", num_judgements=20, num_timed=10, active_seconds=1800)  # half of it untimed
    unknown = Work(name="unknown", num_judgements=3, num_timed=0, active_seconds=0)
    least, most, last = pay_of_all([quick, unknown, slow], RATES)
    assert (least.work, least.per_hour, least.total, least.is_unfair) == (slow, 10.0, 10.0, True)
    assert (most.work, most.per_hour, most.is_unfair) == (quick, 20.0, False)
    assert (last.work, last.per_hour, last.total, last.is_unfair) == (unknown, None, 1.5, False)


def test_pay_by_the_hour_adds_to_pay_by_the_piece() -> None:
    rates = Rates(currency="", per_judgement=Decimal(1), per_hour=Decimal(6), fair_per_hour=None)
    pay = pay_of(Work(name="", num_judgements=4, num_timed=4, active_seconds=1800), rates)
    assert (pay.total, pay.per_hour) == (7.0, 14.0)
