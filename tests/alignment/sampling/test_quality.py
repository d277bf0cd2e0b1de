"""The quality program: files in, examples and dropped ones out, and a sentence where nothing is left."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from alignment.programs import JudgeConfig, QualityConfig
from alignment.quality.funnel import Dropped
from alignment.quality.recipe import OverlapRecipe, QualityRecipe
from alignment.records import CandidateSet, PromptRecord, SftExample, Topic
from alignment.sampling.quality import run
from annotation.records import Message, read_records, write_records
from pretrain.run import ProgramError, RunFolder
from tests.alignment.quality.factories import make_candidates
from tests.alignment.sampling.factories import make_labels, make_tokenizer
from tests.alignment.sampling.fake_judge import FakeJudge
from tests.alignment.sampling.model_factories import make_policy
from tests.alignment.test_selection import record


def make_config(
    folder: Path,
    sets: Sequence[CandidateSet],
    *,
    evaluated: Sequence[str] = (),
    embedder: Path | None = None,
    judge: JudgeConfig | None = None,
    **recipe: Any,
) -> QualityConfig:
    """What the program is told; one edited answer lies beside the sampled ones."""
    write_records(folder / "candidates.jsonl", sets)
    write_records(folder / "train.jsonl", [record("edited", "chosen", "rejected", prompt="Who?", key="7")])
    prompts = [
        PromptRecord(id=text, domain="d", language="en", context=(Message(role="user", content=text),))
        for text in evaluated
    ]
    write_records(folder / "holdout-prompts.jsonl", prompts)
    return QualityConfig(
        candidates=folder / "candidates.jsonl",
        preferences=folder / "train.jsonl",
        evaluation_prompts=folder / "holdout-prompts.jsonl",
        recipe=QualityRecipe.model_validate(recipe),
        embedder=embedder,
        judge=judge,
        judged=folder / "judged.jsonl",
        out=folder / "examples.jsonl",
        topics=folder / "topics.jsonl",
        dropped=folder / "dropped.jsonl",
    )


def result_of(config: QualityConfig, folder: Path) -> dict[str, Any]:
    run(config, RunFolder(folder))
    result = RunFolder(folder).read_result()
    assert result is not None
    return result


def test_every_example_is_kept_or_dropped_with_a_reason(tmp_path: Path) -> None:
    sets = [
        make_candidates(" ", prompt="empty"),
        make_candidates("Well", prompt="What is the capital of France?"),
        make_candidates("Sure!", prompt="shouted", reward=1.0),
        make_candidates("Sure!!", prompt="shouted less well", reward=0.0),
        *(make_candidates("So", prompt=str(number), reward=number) for number in range(4)),
    ]
    config = make_config(tmp_path, sets, evaluated=["what is the capital of france"], min_examples=4)
    result = result_of(config, tmp_path)
    examples = list(read_records(config.out, SftExample))
    assert [example.id for example in examples] == [
        "rejection-shouted",
        "rejection-1",
        "rejection-2",
        "rejection-3",
        "edit-7",
    ]
    assert result["num_examples"] == 5
    assert result["sources"] == {"rejection_sampling": 4, "edited": 1}
    assert [(step["name"], step["num_in"], step["num_kept"]) for step in result["steps"]] == [
        ("form", 9, 8),
        ("evaluation overlap", 8, 7),
        ("overused phrases", 7, 6),
        ("quality", 6, 5),
    ]
    reasons = {each.example.id: (each.step, each.reason) for each in read_records(config.dropped, Dropped)}
    assert reasons == {
        "rejection-empty": ("form", "empty"),
        "rejection-What is the capital of France?": ("evaluation overlap", "in the evaluation prompts"),
        "rejection-shouted less well": ("overused phrases", "overused: exclamation marks"),
        "rejection-0": ("quality", "not among the highest rewards"),
    }


def test_without_a_judge_the_report_says_what_was_left_out(tmp_path: Path) -> None:
    result = result_of(make_config(tmp_path, [make_candidates("So")]), tmp_path)
    assert result["left_out"] == [
        "No judge is named in the recipe (quality.judge), so the judge's quality score and the difficulty "
        "were left out."
    ]


def test_nothing_left_fails_with_the_reasons_and_what_to_do(tmp_path: Path) -> None:
    config = make_config(tmp_path, [make_candidates("long", finish="length"), make_candidates("")])
    write_records(config.preferences, [])
    with pytest.raises(
        ProgramError,
        match=r"cut off at the length limit \(1\), empty \(1\)\. Raise rejection\.sampling\.max_tokens",
    ):
        run(config, RunFolder(tmp_path))
    assert len(list(read_records(config.dropped, Dropped))) == 2


def test_an_overlap_of_everything_says_to_give_more_prompts(tmp_path: Path) -> None:
    overlap = OverlapRecipe(max_similarity=None)
    config = make_config(
        tmp_path, [make_candidates("So", prompt="Q")], evaluated=["Q", "Who?"], overlap=overlap
    )
    with pytest.raises(
        ProgramError, match=r"in the evaluation prompts \(2\)\. Loosen `quality` in the recipe"
    ):
        run(config, RunFolder(tmp_path))


def test_dialogs_that_mean_the_same_are_learned_once(tmp_path: Path) -> None:
    base = make_policy(tmp_path / "base", make_tokenizer(tmp_path / "tokenizer"), seed=1)
    sets = [
        make_candidates("A robin.", prompt="Name a bird.", reward=1.0, key="worse"),
        make_candidates("42", prompt="12 + 30?", reward=2.0),
        make_candidates("A robin. ", prompt="Name a bird.", reward=3.0, key="better"),
    ]
    config = make_config(tmp_path, sets, embedder=base, dedup={"max_cosine": 0.97})
    result = result_of(config, tmp_path)
    assert [example.id for example in read_records(config.out, SftExample)] == [
        "rejection-12 + 30?",
        "rejection-better",
        "edit-7",
    ]
    assert result["steps"][-1]["name"] == "semantic duplicates"
    (sample,) = result["steps"][-1]["samples"]
    assert sample["reason"] == "nearly the same as a better one"
    assert sample["detail"].endswith("with rejection-better")
    assert list(RunFolder(tmp_path).read_metrics("progress"))


def test_deduplication_without_a_model_to_compare_by_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Semantic deduplication and topics need `embedder`"):
        make_config(tmp_path, [], dedup={})


def test_the_judges_best_are_kept_beside_the_highest_rewards(tmp_path: Path, fake_judge: FakeJudge) -> None:
    fake_judge.grades["dull"] = {"accuracy": 3, "instruction_following": 2, "tone": 3}
    sets = [
        make_candidates("bright", prompt="1", reward=0.0),
        make_candidates("dull", prompt="2", reward=1.0),
        make_candidates("dull", prompt="3", reward=2.0),
    ]
    config = make_config(tmp_path, sets, judge=fake_judge.config, min_examples=1)
    result = result_of(config, tmp_path)
    assert [example.id for example in read_records(config.out, SftExample)] == [
        "rejection-1",
        "rejection-3",
        "edit-7",
    ]
    assert result["steps"][-1]["dropped"] == {"not among the highest rewards nor the judge's best": 1}
    assert result["judge"]["num_judged"] == 4
    assert result["judge"]["mean_quality"] == pytest.approx((1 + 8 / 9 + 8 / 9 + 1) / 4)
    assert result["left_out"] == []


def test_examples_that_the_judge_cannot_score_are_counted(tmp_path: Path, fake_judge: FakeJudge) -> None:
    fake_judge.grades["strange"] = {"accuracy": 9}
    sets = [make_candidates("strange", prompt="1"), make_candidates("So", prompt="2")]
    result = result_of(make_config(tmp_path, sets, judge=fake_judge.config), tmp_path)
    assert result["num_examples"] == 3
    assert result["left_out"] == ["The judge gave 1 of 3 examples no usable scores."]


def test_every_kept_example_gets_a_topic(tmp_path: Path) -> None:
    base = make_policy(tmp_path / "base", make_tokenizer(tmp_path / "tokenizer"), seed=1)
    labels = make_labels(20)
    write_records(tmp_path / "labels.jsonl", labels)
    sets = [
        make_candidates("42", prompt="What is 71 + 55?", key="sum"),
        make_candidates("A robin.", prompt="Name a small grey bird of the woods.", key="bird"),
        make_candidates("", prompt="What is 1 + 1?", key="empty"),
    ]
    config = make_config(tmp_path, sets, embedder=base, topics={"labels": str(tmp_path / "labels.jsonl")})
    figures = result_of(config, tmp_path)["topics"]
    topics = {each.id: (each.coarse, each.fine) for each in read_records(config.topics, Topic)}
    assert topics["rejection-sum"] == ("mathematics", "addition")
    assert topics["rejection-bird"] == ("nature", "birds")
    assert set(topics) == {"rejection-sum", "rejection-bird", "edit-7"}
    assert figures["num_labelled"] == 40
    assert figures["coarse"]["accuracy"] > 0.9
    assert sum(each["number"] for each in figures["counts"]) == 3
