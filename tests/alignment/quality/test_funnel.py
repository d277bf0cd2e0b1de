"""The funnel counts every step and keeps every dropped example with its reason."""

from alignment.quality.funnel import MAX_CHARACTERS, MAX_SAMPLES, Funnel, dropped
from tests.alignment.quality.factories import make_example


def test_every_step_is_counted_by_reason() -> None:
    funnel = Funnel()
    funnel.add("form", 9, [dropped(make_example("1"), "empty"), dropped(make_example("2"), "empty")])
    funnel.add("score", 7, [dropped(make_example("3"), "low", "reward 0.1")])
    funnel.add("phrases", 6, [])
    assert [(step.name, step.num_in, step.num_kept, step.dropped) for step in funnel.steps] == [
        ("form", 9, 7, {"empty": 2}),
        ("score", 7, 6, {"low": 1}),
        ("phrases", 6, 6, {}),
    ]
    assert [(each.step, each.example.id) for each in funnel.dropped] == [
        ("form", "1"),
        ("form", "2"),
        ("score", "3"),
    ]


def test_samples_show_every_reason_before_the_second_of_one() -> None:
    funnel = Funnel()
    many = [dropped(make_example(str(number)), "common") for number in range(9)]
    funnel.add("form", 20, [*many, dropped(make_example("x", "rare answer"), "rare")])
    (step,) = funnel.report()
    assert [sample["reason"] for sample in step["samples"]] == ["common", "rare", *["common"] * 3]
    assert len(step["samples"]) == MAX_SAMPLES
    assert step["samples"][1]["response"] == "rare answer"


def test_long_texts_are_shown_shortened_and_kept_whole() -> None:
    funnel = Funnel()
    funnel.add("form", 1, [dropped(make_example("1", "x" * 10_000), "long")])
    assert len(funnel.report()[0]["samples"][0]["response"]) == MAX_CHARACTERS
    assert len(funnel.dropped[0].example.response) == 10_000
