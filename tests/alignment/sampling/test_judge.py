"""The judge over real HTTP: what it is asked, what becomes of its replies, and how trouble ends."""

from pathlib import Path

import pytest

from alignment.quality.judging import Judgement
from alignment.sampling.judge import judge_all
from annotation.records import read_records
from pretrain.run import ProgramError
from tests.alignment.quality.factories import make_example
from tests.alignment.sampling.fake_judge import FakeJudge

EXAMPLES = [make_example(str(number), f"Answer {number}") for number in range(5)]


def test_every_example_is_judged_and_written_down(fake_judge: FakeJudge, tmp_path: Path) -> None:
    fake_judge.grades["Answer 3"] = {"accuracy": 1, "instruction_following": 2, "tone": 3}
    done: list[int] = []
    found = judge_all(fake_judge.config, EXAMPLES, {}, tmp_path / "judged.jsonl", on_progress=done.append)
    assert set(found) == {example.id for example in EXAMPLES}
    assert found["0"].quality == 1.0
    assert found["3"].points == {"accuracy": 1, "instruction_following": 2, "tone": 3}
    assert found["3"].quality == pytest.approx(6 / 9)
    assert found["3"].difficulty == pytest.approx((2 / 3 + 1 / 5) / 2)
    assert done == [0, 1, 2, 3, 4, 5]
    assert {each.id for each in read_records(tmp_path / "judged.jsonl", Judgement)} == set(found)
    assert {request["model"] for request in fake_judge.requests} == {"judge-1"}
    assert {request["temperature"] for request in fake_judge.requests} == {0.0}


def test_code_is_graded_on_two_points(fake_judge: FakeJudge, tmp_path: Path) -> None:
    fake_judge.grades["Answer 0"] = {"correctness": 1, "user_intention": 2}
    found = judge_all(fake_judge.config, EXAMPLES[:1], {"0": "code"}, tmp_path / "judged.jsonl")
    assert found["0"].quality == 0.75


def test_what_was_judged_before_a_kill_is_not_asked_again(fake_judge: FakeJudge, tmp_path: Path) -> None:
    out = tmp_path / "judged.jsonl"
    judge_all(fake_judge.config, EXAMPLES[:3], {}, out)
    out.write_bytes(out.read_bytes() + b'{"id": "3", "poi')
    fake_judge.requests.clear()
    found = judge_all(fake_judge.config, EXAMPLES, {}, out)
    assert len(found) == 5
    assert len(fake_judge.requests) == 2 * 2
    assert len(list(read_records(out, Judgement))) == 5


def test_the_key_of_the_file_is_sent(fake_judge: FakeJudge, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sesame\n")
    config = fake_judge.config.model_copy(update={"key_file": tmp_path / "key"})
    judge_all(config, EXAMPLES[:1], {}, tmp_path / "judged.jsonl")
    judge_all(fake_judge.config, EXAMPLES[1:2], {}, tmp_path / "judged.jsonl")
    assert fake_judge.keys == ["Bearer sesame"] * 2 + [None] * 2


def test_a_missing_key_is_refused_with_what_to_set(fake_judge: FakeJudge, tmp_path: Path) -> None:
    config = fake_judge.config.model_copy(update={"key_file": tmp_path / "key"})
    with pytest.raises(ProgramError, match="let JUDGE_KEY_FILE name a file with the key"):
        judge_all(config, EXAMPLES, {}, tmp_path / "judged.jsonl")
    assert fake_judge.requests == []


def test_trouble_that_passes_is_waited_for(fake_judge: FakeJudge, tmp_path: Path) -> None:
    fake_judge.statuses = [429, 503]
    pauses: list[float] = []
    config = fake_judge.config.model_copy(update={"num_at_once": 1})
    found = judge_all(config, EXAMPLES[:1], {}, tmp_path / "judged.jsonl", sleep=pauses.append)
    assert set(found) == {"0"}
    assert pauses == [0.5, 1.0]


def test_a_question_that_the_judge_refuses_leaves_its_example_unjudged(
    fake_judge: FakeJudge, tmp_path: Path
) -> None:
    fake_judge.statuses = [400, 400]  # with the reply's form and without
    config = fake_judge.config.model_copy(update={"num_at_once": 1})
    found = judge_all(config, EXAMPLES[:2], {}, tmp_path / "judged.jsonl")
    assert set(found) == {"1"}


def test_the_judge_is_held_to_the_form_of_its_reply_unless_it_cannot_be(
    fake_judge: FakeJudge, tmp_path: Path
) -> None:
    config = fake_judge.config.model_copy(update={"num_at_once": 1})
    judge_all(config, EXAMPLES[:1], {}, tmp_path / "held.jsonl")
    quality, difficulty = (request["response_format"]["json_schema"] for request in fake_judge.requests)
    assert quality["schema"]["properties"]["tone"]["enum"] == [1, 2, 3]
    assert difficulty["schema"]["required"] == ["difficulty", "intentions"]

    fake_judge.statuses, fake_judge.requests = [400], []
    found = judge_all(config, EXAMPLES[:2], {}, tmp_path / "free.jsonl")
    assert set(found) == {"0", "1"}
    assert not any("response_format" in request for request in fake_judge.requests)


@pytest.mark.parametrize(("statuses", "trouble"), [([503] * 60, "status 503"), ([401] * 9, "status 401")])
def test_a_judge_that_stays_away_ends_the_program_with_what_to_do(
    fake_judge: FakeJudge, tmp_path: Path, statuses: list[int], trouble: str
) -> None:
    fake_judge.statuses = statuses
    with pytest.raises(ProgramError, match=rf"does not answer \({trouble}.*quality.judge left out"):
        judge_all(fake_judge.config, EXAMPLES, {}, tmp_path / "judged.jsonl", sleep=lambda seconds: None)


def test_a_judge_at_a_port_where_nobody_is_ends_the_program(fake_judge: FakeJudge, tmp_path: Path) -> None:
    config = fake_judge.config.model_copy(update={"url": "http://127.0.0.1:9/v1"})
    with pytest.raises(ProgramError, match=r"does not answer .ConnectError"):
        judge_all(config, EXAMPLES[:1], {}, tmp_path / "judged.jsonl", sleep=lambda seconds: None)
