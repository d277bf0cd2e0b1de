"""How numbers, times and names look on every page."""

from datetime import timedelta

import pytest
from django.template import Context, Template

from web.templatetags.web import count, duration, initials, percent, words


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, "–"),
        (0, "0 s"),
        (59.4, "59 s"),
        (60, "1 min"),
        (200, "3 min 20 s"),
        (3600, "1 h"),
        (7500, "2 h 5 min"),
        (90_000, "1 d 1 h"),
        (timedelta(minutes=2), "2 min"),
    ],
)
def test_a_duration_is_said_in_two_units_at_most(seconds: float | timedelta | None, said: str) -> None:
    assert duration(seconds) == said


def test_numbers_are_said_with_thousands_apart_and_shares_in_percent() -> None:
    assert (count(12480), count(None)) == ("12,480", "–")
    assert (percent(0.7142), percent(None)) == ("71.4%", "–")


def test_values_of_the_database_are_said_in_words() -> None:
    assert words("significantly_better") == "Significantly better"


@pytest.mark.parametrize(
    ("name", "letters"), [("maria.keller", "MK"), ("tomas", "TO"), ("", "?"), ("李雷", "李雷"), ("_", "?")]
)
def test_an_avatar_has_two_letters(name: str, letters: str) -> None:
    assert initials(name) == letters


def test_a_bar_is_as_wide_as_its_share_of_the_largest() -> None:
    template = Template("{% load web %}{% bar_chart rows 'Fruit' %}")
    html = template.render(Context({"rows": [("apples", 200), ("<pears>", 50, 2), ("none", 0)]}))
    assert 'width="100.0"' in html
    assert 'class="series-2" width="25.0"' in html
    assert 'width="0.0"' in html
    assert "&lt;pears&gt;" in html


def test_a_chart_of_nothing_is_no_error() -> None:
    assert "<dl" in Template("{% load web %}{% bar_chart rows %}").render(Context({"rows": []}))
