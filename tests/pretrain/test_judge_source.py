"""Annealing as a judge of a source: what helps is told from what does not, run by run."""

from pathlib import Path

import pytest

from pretrain.checkpoint_folder import save_checkpoint_folder
from pretrain.judge_source import JudgeSourceConfig, SeedResult, judgement, run
from pretrain.recipe import StageRecipe
from pretrain.run import ProgramError, RunFolder
from tests.pretrain.factories import sentences, small_model, write_rows


def judged(folder: Path, tokenizer: Path, seeds: tuple[int, ...]) -> JudgeSourceConfig:
    """A base that knows nothing, annealed on sentences of one world; the source is of another."""
    for name, text in (("default", "Rain falls on the wide grey sea."), ("source", "")):
        rows = [{"text": text or sentence} for sentence in sentences(40, seed=1)]
        write_rows(folder / f"{name}.jsonl", rows)
    write_rows(folder / "measured.jsonl", [{"text": sentence} for sentence in sentences(10, seed=2)])
    save_checkpoint_folder(small_model(tokenizer), tokenizer, folder / "base")
    return JudgeSourceConfig(
        base=folder / "base",
        default=folder / "default.jsonl",
        source=folder / "source.jsonl",
        measured=folder / "measured.jsonl",
        stage=StageRecipe(num_steps=6, num_rows=8, sequence_length=32),
        learning_rate=1e-2,
        seeds=seeds,
        num_threads=1,
    )


def test_a_source_of_the_measured_kind_is_told_to_be_better_run_by_run(
    tmp_path: Path, tokenizer_folder: Path
) -> None:
    config = judged(tmp_path, tokenizer_folder, seeds=(0, 1, 2))
    folder = RunFolder(tmp_path / "judged")
    run(config, folder)
    result = folder.read_result()
    assert result is not None
    assert result["verdict"] == "better" and 0 < result["low"] < result["difference"] < result["high"]
    runs = sorted((folder.path / "runs").glob("*/result.json"))
    assert [path.parent.name for path in runs] == [
        f"{arm}-{s}" for arm in ("default", "new") for s in (0, 1, 2)
    ]

    # A judgement that goes on does again what is missing, and nothing else.
    before = {path: path.stat().st_mtime_ns for path in runs}
    folder.result_path.unlink()
    runs[4].unlink()
    run(config.model_copy(update={"seeds": (0, 1, 2)}), folder)
    assert folder.read_result() == result
    changed = [path for path, written in before.items() if path.stat().st_mtime_ns != written]
    assert changed == [runs[4]]
    with pytest.raises(ProgramError, match="default-0 is a run of another judgement"):
        run(config.model_copy(update={"learning_rate": 1e-3}), folder)


def test_the_difference_comes_with_student_s_interval() -> None:
    results = [SeedResult(seed=s, default=2.0, new=2.0 - d) for s, d in enumerate((0.1, 0.2, 0.3))]
    told = judgement(results)
    assert told["difference"] == pytest.approx(0.2) and told["spread"] == pytest.approx(0.1)
    assert (told["low"], told["high"]) == pytest.approx((0.2 - 0.2484, 0.2 + 0.2484), abs=1e-4)
    assert told["verdict"] == "no difference told"
    assert (
        judgement([SeedResult(seed=s, default=1.0, new=1.5 + s / 100) for s in range(2)])["verdict"]
        == "worse"
    )
