"""The outside judge over real HTTP: both orders, ties, resuming, best of K, and how trouble ends."""

from pathlib import Path

import pytest

from alignment.programs import OutsideJudgeConfig
from alignment.records import Candidate, CandidateSet, SampledAnswer
from alignment.sampling.outside_judge import run
from annotation.records import write_records
from pretrain.run import ProgramError, RunFolder
from tests.alignment.sampling.factories import make_prompts, write_file
from tests.alignment.sampling.fake_judge import FakeJudge

NUM_PROMPTS = 12


def make_config(folder: Path, judge: FakeJudge, *, num_prompts: int = 10) -> OutsideJudgeConfig:
    """A round's answers: the candidate's are good, the base's bad but for one that is the same."""
    prompts = make_prompts(NUM_PROMPTS)
    write_records(
        folder / "answers.jsonl",
        [
            SampledAnswer(
                prompt_id=prompt.id,
                domain=prompt.domain,
                policy=policy,
                sample=sample,
                content="good" if policy == "candidate" or number == 0 else f"bad {number}",
                reward=0.0,
            )
            for policy in ("candidate", "base")
            for number, prompt in enumerate(prompts)
            for sample in range(2)
        ],
    )
    write_records(
        folder / "candidates.jsonl",
        [
            CandidateSet(
                prompt=prompt,
                candidates=tuple(
                    Candidate(
                        content=f"{prompt.id} {place}", num_tokens=3, finish="stop", reward=float(place)
                    )
                    for place in range(4)
                ),
                best=3,
            )
            for prompt in prompts
        ],
    )
    return OutsideJudgeConfig(
        judge=judge.config,
        answers=folder / "answers.jsonl",
        prompts=write_file(folder / "prompts.jsonl", prompts),
        num_prompts=num_prompts,
        candidates=folder / "candidates.jsonl",
        best_of_k_prompts=3,
        verdicts=folder / "verdicts.jsonl",
        grades=folder / "grades.jsonl",
    )


def result_of(config: OutsideJudgeConfig, folder: Path) -> dict[str, object]:
    """What the program leaves."""
    run(config, RunFolder(folder))
    result = RunFolder(folder).read_result()
    assert result is not None
    return result


def test_a_judge_that_knows_good_from_bad_is_believed_in_both_orders(
    fake_judge: FakeJudge, tmp_path: Path
) -> None:
    fake_judge.better = lambda first, second: "first" if first == "good" else "second"
    result = result_of(make_config(tmp_path, fake_judge), tmp_path)
    rate = result["win_rate"]["base"]  # type: ignore[index]
    assert rate["value"] == pytest.approx(0.95)  # nine won, and equal answers are a tie
    assert (rate["comparisons"], rate["num_flipped"], rate["num_unusable"]) == (10, 0, 0)
    assert set(rate["length_controlled"]) == {"value", "low", "high", "length_effect"}
    assert result["by"] == "the judge judge-1"
    assert len(fake_judge.requests) == 9 * 2 + 3 * 4


def test_a_verdict_that_flips_with_the_order_is_a_tie(fake_judge: FakeJudge, tmp_path: Path) -> None:
    result = result_of(make_config(tmp_path, fake_judge), tmp_path)
    rate = result["win_rate"]["base"]  # type: ignore[index]
    assert rate["value"] == 0.5
    assert rate["num_flipped"] == 9


def test_what_the_reward_prefers_is_graded_by_the_judge(fake_judge: FakeJudge, tmp_path: Path) -> None:
    """The reward rises with the place among the candidates; the judge likes the last one least."""
    for prompt in range(3):
        fake_judge.grades[f"prompt-{prompt} 3"] = {"accuracy": 1, "instruction_following": 1, "tone": 1}
    result = result_of(make_config(tmp_path, fake_judge), tmp_path)
    curve = result["best_of_k"]
    assert curve["num_prompts"] == 3  # type: ignore[index]
    first, *_, last = curve["points"]  # type: ignore[index]
    assert last["proxy"]["value"] > 1
    assert last["gold"]["value"] < -1 < first["gold"]["value"]


def test_what_was_judged_before_a_kill_is_not_asked_again(fake_judge: FakeJudge, tmp_path: Path) -> None:
    few = make_config(tmp_path, fake_judge, num_prompts=5)
    run(few, RunFolder(tmp_path))
    asked = len(fake_judge.requests)
    few.verdicts.write_bytes(few.verdicts.read_bytes() + b'{"id": "base')
    run(make_config(tmp_path, fake_judge), RunFolder(tmp_path))
    assert len(fake_judge.requests) - asked == 5 * 2


def test_a_retry_with_other_answers_asks_anew(fake_judge: FakeJudge, tmp_path: Path) -> None:
    config = make_config(tmp_path, fake_judge)
    run(config, RunFolder(tmp_path))
    asked = len(fake_judge.requests)
    config.answers.write_text(config.answers.read_text().replace("bad 3", "bad again"))
    run(config, RunFolder(tmp_path))
    assert len(fake_judge.requests) - asked == 2


def test_pairs_without_a_verdict_are_counted(fake_judge: FakeJudge, tmp_path: Path) -> None:
    fake_judge.better = lambda first, second: "both" if "bad 2" in (first, second) else "first"
    result = result_of(make_config(tmp_path, fake_judge), tmp_path)
    rate = result["win_rate"]["base"]  # type: ignore[index]
    assert (rate["comparisons"], rate["num_unusable"]) == (9, 1)


def test_a_judge_without_one_usable_verdict_ends_the_program(fake_judge: FakeJudge, tmp_path: Path) -> None:
    fake_judge.better = lambda first, second: "neither"
    with pytest.raises(ProgramError, match=r"no usable verdict on 18 questions: name another in gate\.judge"):
        run(make_config(tmp_path, fake_judge), RunFolder(tmp_path))


def test_a_judge_that_is_away_names_the_gate(fake_judge: FakeJudge, tmp_path: Path) -> None:
    fake_judge.statuses = [401] * 30
    with pytest.raises(ProgramError, match=r"does not answer \(status 401.*gate\.judge left out"):
        run(make_config(tmp_path, fake_judge), RunFolder(tmp_path))
