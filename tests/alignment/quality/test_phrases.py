"""Overused phrases are balanced, not forbidden."""

import pytest

from alignment.quality.phrases import allowed, balance_phrases
from alignment.quality.recipe import PHRASES, PhraseRule
from tests.alignment.quality.factories import keys, make_example


def rule(max_share: float, pattern: str = "!") -> PhraseRule:
    return PhraseRule(name="shouting", pattern=pattern, max_share=max_share)


@pytest.mark.parametrize(
    ("num_without", "max_share", "room"), [(9, 0.1, 1), (90, 0.1, 10), (3, 0.25, 1), (2, 0.05, 1), (9, 0, 0)]
)
def test_room_is_the_share_of_what_is_left(num_without: int, max_share: float, room: int) -> None:
    assert allowed(num_without, max_share) == room


def test_the_highest_rewards_stay_and_the_order_is_kept() -> None:
    examples = [make_example(str(number), "Sure!" if number < 5 else "Sure.") for number in range(11)]
    rewards = {str(number): float(number) for number in range(11)}
    kept, left_out = balance_phrases(examples, [rule(0.25)], rewards)
    # Six are without it, so two may have it: 2 of 8 is a quarter.
    assert keys(kept) == ["3", "4", "5", "6", "7", "8", "9", "10"]
    assert [each.example.id for each in left_out] == ["0", "1", "2"]
    assert {each.reason for each in left_out} == {"overused: shouting"}


def test_what_people_wrote_stays_before_what_was_sampled() -> None:
    examples = [
        make_example("sampled", "Sure!"),
        make_example("written", "Sure!", source="edited"),
        make_example("plain"),
    ]
    kept, _ = balance_phrases(examples, [rule(0.25)], {"sampled": 9.0, "plain": 0.0})
    assert keys(kept) == ["written", "plain"]


def test_a_share_of_zero_drops_all_of_them() -> None:
    kept, _ = balance_phrases([make_example("1", "Sure!"), make_example("2")], [rule(0)], {})
    assert keys(kept) == ["2"]


def test_a_later_rule_sees_what_the_earlier_ones_left() -> None:
    examples = [make_example("1", "Oh!"), make_example("2", "Oh"), make_example("3", "Ah")]
    kept, left_out = balance_phrases(examples, [rule(0), rule(0.5, "oh")], {})
    assert keys(kept) == ["2", "3"]
    assert len(left_out) == 1


@pytest.mark.parametrize(
    ("response", "name"),
    [
        ("Great 😀", "emoji"),
        ("It works ✅", "emoji"),
        ("Of course!", "exclamation marks"),
        ("I'm sorry, but no.", "apologies"),
        ("i’m so sorry", "apologies"),
        ("I apologise for that.", "apologies"),
    ],
)
def test_the_papers_phrases_are_known(response: str, name: str) -> None:
    examples = [make_example("0", response), make_example("1", response)]
    _, left_out = balance_phrases(examples, PHRASES, {})
    assert [each.reason for each in left_out] == [f"overused: {name}"]


def test_plain_answers_break_no_rule() -> None:
    examples = [make_example(str(number), "The sorry state: 3 → 5 (see §2).") for number in range(9)]
    assert balance_phrases(examples, PHRASES, {})[1] == []


def test_a_broken_pattern_is_refused() -> None:
    with pytest.raises(ValueError, match=r"pattern '\(', which is no regular expression"):
        rule(0.1, "(")


def test_code_is_not_searched_and_music_is_no_emoji() -> None:
    examples = [
        make_example("block", "Use it:\n```\nif (!done) {}\n```\nThat is all."),
        make_example("open block", "```\n#!/bin/sh"),
        make_example("word", "Say `!important` there."),
        make_example("said", "Sure! `x`"),
        make_example("music", "C\u266f and D\u266d"),
        make_example("emoji", "Sure \u2600"),
    ]
    kept, _ = balance_phrases(examples, [rule(0.0), PHRASES[0].model_copy(update={"max_share": 0.0})], {})
    assert keys(kept) == ["block", "open block", "word", "music"]
