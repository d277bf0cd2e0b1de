"""SFT examples of the best candidates and of people's edits."""

from alignment.quality.examples import examples_from_candidates, examples_from_edits
from tests.alignment.quality.factories import make_candidates as candidates
from tests.alignment.test_selection import record


def test_the_best_candidate_becomes_the_example() -> None:
    examples, dropped = examples_from_candidates([candidates("bad", "good", best=1)])
    assert [example.response for example in examples] == ["good"]
    assert not dropped


def test_empty_cut_off_and_duplicate_answers_are_dropped_and_counted() -> None:
    sets = [candidates(" "), candidates("long", finish="length"), candidates("same"), candidates("same")]
    examples, dropped = examples_from_candidates(sets)
    assert len(examples) == 1
    assert [each.reason for each in dropped] == ["empty", "cut off at the length limit", "duplicate"]


def test_only_edited_answers_become_examples_from_people() -> None:
    examples = examples_from_edits([record("edited", "chosen", "rejected"), record("chosen", "rejected")])
    assert [example.response for example in examples] == ["edited"]
