"""Figures of two models' answers, against hand-worked numbers."""

from alignment.records import PromptRecord, SampledAnswer
from alignment.side_by_side import (
    answer_rows,
    by_grade,
    compared,
    differing,
    marked,
    rewards_plot,
)
from annotation.records import Message


def answers(policy: str, rewards: dict[str, list[float]]) -> dict[str, list[SampledAnswer]]:
    return {
        prompt: [
            SampledAnswer(
                prompt_id=prompt,
                domain="d",
                policy=policy,
                sample=place,
                content=f"{policy} {place}",
                reward=reward,
            )
            for place, reward in enumerate(values)
        ]
        for prompt, values in rewards.items()
    }


FIRST = answers("a", {"x": [1.0, 3.0], "y": [0.0], "z": [5.0]})
SECOND = answers("b", {"x": [2.0, 2.0], "y": [0.0], "w": [1.0]})


def test_only_prompts_that_both_answered_count_and_each_counts_alike() -> None:
    found = compared(FIRST, SECOND, {"x": "sums", "y": "poems"})
    assert found["num_prompts"] == 2
    assert found["overall"]["value"] == 0.5  # x: two of four won, y: tied
    assert found["overall"]["comparisons"] == 5
    assert [(domain, rate["value"]) for domain, rate in found["by_domain"]] == [("poems", 0.5), ("sums", 0.5)]
    assert found["mean_reward"] == [4 / 3, 4 / 3]


def test_how_much_better_is_told_by_the_probability_of_the_choice() -> None:
    # The logistic function of 0.2 is 0.55, of -1 is 0.27, of 2 is 0.88, of -3 is 0.05.
    assert by_grade([0.2, -1.0, 2.0, -3.0, 0.0]) == [
        ("significantly", 0, 1),
        ("clearly", 1, 0),
        ("slightly", 0, 1),
        ("marginally", 1, 0),
    ]


def test_what_the_other_text_has_not_is_marked_word_by_word() -> None:
    mine, other = marked("The sky is blue today.", "The sky is grey today.")
    assert [piece.text for piece in mine if piece.differs] == ["blue"]
    assert [piece.text for piece in other if piece.differs] == ["grey"]
    assert "".join(piece.text for piece in mine) == "The sky is blue today."
    assert [piece.text for piece in marked("天空是蓝色的", "天空是灰色的")[0]] == ["天空是", "蓝", "色的"]
    assert not any(piece.differs for side in marked("same", "same") for piece in side)


def test_answers_come_as_asked_or_by_who_wins_most() -> None:
    prompts = [
        PromptRecord(id=name, domain="d", language="en", context=(Message(role="user", content=name),))
        for name in ("x", "y", "z")
    ]
    orders = {
        order: [row.prompt.id for row in answer_rows(prompts, FIRST, SECOND, order=order)]
        for order in ("asked", "first", "second")
    }
    assert orders == {"asked": ["x", "y"], "first": ["y", "x"], "second": ["x", "y"]}


def test_rewards_are_drawn_a_line_for_each_model() -> None:
    drawn = rewards_plot("Rewards", ("a", "b"), ([0.0, 1.0, 1.0], [0.5]))
    assert [line.name for line in drawn.lines] == ["a", "b"]
    same = rewards_plot("Rewards", ("a", "b"), ([1.0], [1.0]))
    assert len(same.lines) == 2


def test_only_what_differs_is_listed() -> None:
    assert differing({"x": "1", "y": "2"}, {"x": "1", "z": "3"}) == [("y", "2", ""), ("z", "", "3")]
