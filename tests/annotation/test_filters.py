"""The filter of an export: read from addresses, one form for one choice, sentences for mistakes."""

from datetime import date

import pytest

from annotation.filters import PreferenceFilter, from_parameters
from annotation.records import Strength


def test_a_filter_comes_back_from_its_address() -> None:
    chosen = PreferenceFilter(
        rounds=(3, 1),
        domains=("a & b", "ünïcode=?"),
        languages=("zh-Hant",),
        strengths=(Strength.BETTER, Strength.SIGNIFICANTLY_BETTER),
        annotators=("p-1",),
        reasons=("too long",),
        first_day=date(2026, 1, 31),
        last_day=date(2026, 2, 1),
        safety=("violence",),
        edited_only=True,
        safe_only=True,
    )
    parameters: dict[str, list[str]] = {}
    for name, value in chosen.as_parameters():
        parameters.setdefault(name, []).append(value)
    assert from_parameters(parameters) == chosen
    assert PreferenceFilter.model_validate(chosen.as_json()) == chosen


def test_the_order_of_a_choice_does_not_matter() -> None:
    one = from_parameters({"round": ["2", "1", "2"], "strength": ["better", "significantly_better"]})
    other = from_parameters(
        {"round": ["1", "2"], "strength": ["significantly_better", "better"], "domain": [""]}
    )
    assert one == other
    assert one.as_json() == {"rounds": [1, 2], "strengths": ["significantly_better", "better"]}
    assert from_parameters({"page": ["3"]}).takes_all


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"round": ["x"]}, "'round'"),
        ({"round": ["-1"]}, "'round'"),
        ({"strength": ["huge"]}, "'strength'"),
        ({"from": ["31.1.2026"]}, "'from'"),
        ({"from": ["2026-02-01"], "to": ["2026-01-31"]}, "exchange them"),
        ({"domain": ["a\0"]}, "NUL"),
        ({"domain": [str(number) for number in range(300)]}, "at most 200"),
    ],
)
def test_a_wrong_value_is_named(parameters: dict[str, list[str]], said: str) -> None:
    with pytest.raises(ValueError, match=r"^The filter.*\.$") as caught:
        from_parameters(parameters)
    assert said in str(caught.value)
