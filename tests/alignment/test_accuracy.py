"""The accuracy of a reward model on held-out pairs: ties, intervals and which pairs a strength speaks of."""

import pytest

from alignment.accuracy import judged_margins, judged_pairs, pair_accuracy, wilson_interval
from annotation.records import PreferenceRecord


def make_record(*origins: str, strength: str = "better") -> PreferenceRecord:
    return PreferenceRecord.model_validate(
        {
            "id": "1",
            "domain": "general",
            "language": "en",
            "round": 1,
            "context": [{"role": "user", "content": "Say hello."}],
            "responses": [
                {"content": f"hello {place}", "model": "m", "origin": origin}
                for place, origin in enumerate(origins)
            ],
            "strength": strength,
            "annotator": "blue-fox",
            "created": "2026-01-01T00:00:00Z",
        }
    )


def test_a_tie_counts_half() -> None:
    measured = pair_accuracy([("better", 1.0), ("better", -0.5), ("better", 0.0), ("better", 0.0)])
    assert measured["accuracy"] == 0.5
    assert measured["num_pairs"] == 4


def test_each_strength_has_its_own_figures_strongest_first() -> None:
    measured = pair_accuracy(
        [("better", 1.0), ("marginally_better", -1.0), ("significantly_better", 2.0), ("better", -1.0)]
    )
    assert list(measured["by_strength"]) == ["significantly_better", "better", "marginally_better"]
    assert [figures["accuracy"] for figures in measured["by_strength"].values()] == [1.0, 0.5, 0.0]
    assert measured["by_strength"]["better"]["num_pairs"] == 2


def test_the_interval_is_wilsons() -> None:
    # By hand for 8 of 10: centre (0.8 + 3.8415/20) / 1.38415, half width 1.96 sqrt(0.016 + 0.0096) / 1.38415.
    assert wilson_interval(8, 10) == pytest.approx((0.4901625, 0.9433178), abs=1e-6)
    low, high = wilson_interval(10, 10)
    assert low == pytest.approx(0.7224672, abs=1e-6)
    assert high == pytest.approx(1.0)


def test_no_pairs_are_refused() -> None:
    with pytest.raises(ValueError, match="no pairs"):
        pair_accuracy([])


def test_the_strength_speaks_of_the_compared_responses_and_not_of_the_edit() -> None:
    assert judged_pairs(make_record("chosen", "rejected")) == [(0, 1)]
    assert judged_pairs(make_record("edited", "chosen", "rejected")) == [(1, 2)]
    assert judged_pairs(make_record("edited", "rejected")) == [(0, 1)]
    assert judged_pairs(make_record("chosen", "rejected", "rejected")) == [(0, 1), (0, 2)]


def test_margins_are_the_better_rewards_less_the_worse_ones() -> None:
    record = make_record("edited", "chosen", "rejected", strength="slightly_better")
    assert judged_margins(record, [3.0, 1.0, 1.5]) == [("slightly_better", -0.5)]
