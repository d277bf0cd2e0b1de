"""The gold win rate and the table that shows it."""

from pathlib import Path

import pytest
from rich.console import Console

from alignment.records import SampledAnswer
from annotation.records import write_records
from demo.gold import gold_best_answer
from demo.prompts import WorldPrompt, prompts_of
from demo.report import RoundRow, demo_report, print_report
from demo.win_rates import gold_win_rates
from demo.world import World, world_of

NUM_PROMPTS = 100


@pytest.fixture(scope="module")
def world() -> World:
    return world_of(0, 10)


def answer(prompt: WorldPrompt, policy: str, content: str, sample: int = 0) -> SampledAnswer:
    """One answer as the evaluation program writes it."""
    return SampledAnswer(
        prompt_id=prompt.id,
        domain=prompt.question.domain,
        policy=policy,
        sample=sample,
        content=content,
        reward=0.0,
    )


def write_answers(path: Path, world: World, better: int) -> Path:
    """The candidate answers `better` of the prompts perfectly and the rest as badly as the base does."""
    held_out = [prompt for prompt in prompts_of(world) if prompt.split == "holdout"][:NUM_PROMPTS]
    answers = []
    for number, prompt in enumerate(held_out):
        best = gold_best_answer(prompt.question)
        answers.append(answer(prompt, "candidate", best if number < better else "What?"))
        answers.append(answer(prompt, "base", "What?"))
    write_records(path, answers)
    return path


def test_the_same_answers_tie_at_one_half(tmp_path: Path, world: World) -> None:
    rates = gold_win_rates(write_answers(tmp_path / "answers.jsonl", world, better=0), world)
    assert rates["over_base"]["value"] == 0.5
    assert rates["over_base"]["low"] < 0.5 < rates["over_base"]["high"]


def test_better_answers_to_some_prompts_win_there_and_tie_elsewhere(tmp_path: Path, world: World) -> None:
    rates = gold_win_rates(write_answers(tmp_path / "answers.jsonl", world, better=60), world)
    assert rates["over_base"]["value"] == pytest.approx(0.8)
    assert 0.7 < rates["over_base"]["low"] < 0.8 < rates["over_base"]["high"] < 0.9
    assert rates["over_base"]["comparisons"] == NUM_PROMPTS
    assert rates["over_previous"] == rates["over_base"]


def test_every_sample_meets_every_sample_of_the_other(tmp_path: Path, world: World) -> None:
    prompt = next(prompt for prompt in prompts_of(world) if prompt.split == "holdout")
    best = gold_best_answer(prompt.question)
    rows = [
        answer(prompt, "candidate", best, 0),
        answer(prompt, "candidate", "What?", 1),
        answer(prompt, "previous", best, 0),
        answer(prompt, "previous", best, 1),
        answer(prompt, "base", "What?", 0),
    ]
    write_records(tmp_path / "answers.jsonl", rows)
    rates = gold_win_rates(tmp_path / "answers.jsonl", world)
    assert rates["over_previous"]["value"] == 0.25
    assert rates["over_previous"]["comparisons"] == 4
    assert rates["over_base"]["value"] == 0.75


def test_answers_without_the_base_are_refused(tmp_path: Path, world: World) -> None:
    prompt = prompts_of(world)[0]
    write_records(tmp_path / "answers.jsonl", [answer(prompt, "candidate", "What?")])
    with pytest.raises(ValueError, match="no answers of base"):
        gold_win_rates(tmp_path / "answers.jsonl", world)


def test_the_report_has_the_agreed_form_and_prints() -> None:
    rate = {"value": 0.6, "low": 0.55, "high": 0.65, "comparisons": 1200}
    row = RoundRow(
        report={
            "round": 1,
            "judgements": 800,
            "evaluation": {
                "reward_model": {
                    "accuracy": 0.7,
                    "low": 0.6,
                    "high": 0.8,
                    "num_pairs": 80,
                    "by_strength": {"better": {"accuracy": 0.66, "num_pairs": 30}},
                }
            },
            "tokens": {"sampled": 12_345, "trained": 67_890},
            "stages": {"collect": 61.0, "reward_model": 24.5},
        },
        win_rates={"over_previous": rate, "over_base": rate},
    )
    report = demo_report(7, 543.21, [row])
    assert report["seed"] == 7
    assert report["seconds"] == 543.2
    assert report["rounds"] == [
        {
            "round": 1,
            "judgements": 800,
            "reward_accuracy": {"overall": 0.7, "by_strength": {"better": 0.66}, "low": 0.6, "high": 0.8},
            "win_rate": {"over_previous": rate, "over_base": rate},
            "tokens": {"sampled": 12_345, "trained": 67_890},
            "stages": {"collect": 61.0, "reward_model": 24.5},
        }
    ]
    console = Console(record=True, width=100)
    print_report(report, console)
    shown = console.export_text()
    for text in ("0.600", "12,345", "0.660", "reward model", "9 min 3 s"):
        assert text in shown
