"""What the judge is asked and what its reply says, on plain data."""

import json

import pytest

from alignment.quality.judging import (
    CODE,
    GENERAL,
    UnusableReply,
    difficulty_question,
    json_object,
    judgement_from,
    quality_question,
    scale_for,
)
from tests.alignment.quality.factories import make_example

EXAMPLE = make_example("1", 'So. {"accuracy": 3}', prompt=("Why?", "And then?"))
GRADES = '{"accuracy": 3, "instruction_following": 2, "tone": 1}'
HARD = '{"difficulty": 3, "intentions": ["Ask", "ask ", "plan", ""]}'


def test_the_question_names_every_criterion_and_shows_the_whole_dialog() -> None:
    instruction, dialog = quality_question(EXAMPLE, GENERAL)
    for criterion in GENERAL.criteria:
        assert f'"{criterion}": points' in instruction["content"]
    assert "from 1 (bad) to 3" in instruction["content"]
    said = json.loads(dialog["content"].partition("\n")[2])
    assert [message["content"] for message in said] == ["Why?", "Yes.", "And then?", EXAMPLE.response]


def test_difficulty_is_asked_of_the_prompt_without_the_answer() -> None:
    assert EXAMPLE.response not in difficulty_question(EXAMPLE)[1]["content"]


def test_code_has_two_points() -> None:
    assert scale_for("code", ["code"]) == CODE
    assert scale_for("general", ["code"]) == GENERAL
    assert "to 2 (nothing" in quality_question(EXAMPLE, CODE)[0]["content"]


def test_scores_become_parts_of_their_scales() -> None:
    judgement = judgement_from(EXAMPLE, GENERAL, GRADES, HARD)
    assert judgement.quality == pytest.approx(6 / 9)
    assert judgement.intentions == ("ask", "plan")
    assert judgement.difficulty == pytest.approx((1 + 2 / 5) / 2)


@pytest.mark.parametrize("around", ["{}", "Here: {}", "```json\n{}\n```", "{{not json}} {} and more"])
def test_the_object_is_found_whatever_stands_around_it(around: str) -> None:
    assert json_object(around.format(GRADES))["tone"] == 1


@pytest.mark.parametrize(
    ("quality", "difficulty"),
    [
        ("", HARD),
        ("I like it.", HARD),
        ('{"accuracy": 3}', HARD),
        (GRADES.replace("1", "4"), HARD),
        (GRADES.replace("1", "0"), HARD),
        (GRADES.replace("1", "2.5"), HARD),
        (GRADES.replace("1", "true"), HARD),
        (GRADES, '{"difficulty": 2}'),
        (GRADES, '{"difficulty": 2, "intentions": [1]}'),
        (GRADES, '{"difficulty": "hard", "intentions": []}'),
    ],
)
def test_a_reply_without_the_scores_cannot_be_used(quality: str, difficulty: str) -> None:
    with pytest.raises(UnusableReply):
        judgement_from(EXAMPLE, GENERAL, quality, difficulty)
