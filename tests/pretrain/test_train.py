"""The whole program, run for real: killed and started again, on bad corpora, and what it leaves behind."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from pretrain.checkpoint_check import check_checkpoint_folder
from pretrain.config import PretrainConfig
from pretrain.recipe import PretrainRecipe, averaged_steps
from pretrain.run import EXIT_USER_ERROR, RunFolder, program_main
from pretrain.stages import load_mean, weights_path
from pretrain.train import run
from tests.pretrain.factories import corpus_rows, quick_recipe, small_model, write_rows
from tests.pretrain.killed import start_killed

REPOSITORY = Path(__file__).resolve().parents[2]


def make_run(folder: Path, corpus: Path, recipe: PretrainRecipe) -> PretrainConfig:
    config = PretrainConfig(
        recipe=recipe,
        corpus=corpus,
        out=folder / "base",
        out_initial=folder / "initial",
        seed=3,
        num_threads=1,
        checkpoint_seconds=0.05,
        log_every=5,
    )
    RunFolder(folder).write_config(config)
    return config


def start(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "pretrain.train", str(folder / "run.json")],
        cwd=REPOSITORY,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_a_program_killed_in_the_middle_goes_on_to_bitwise_the_same_model(tmp_path: Path) -> None:
    corpus = write_rows(tmp_path / "corpus.jsonl", corpus_rows(300))
    stages = {"initial": {"num_steps": 150, "num_rows": 4, "sequence_length": 32}}
    recipe = quick_recipe(**stages)
    make_run(tmp_path / "killed", corpus, recipe)
    path = str(tmp_path / "killed" / "run.json")
    victim = start_killed("checkpoint-", "pretrain.train", path, cwd=REPOSITORY)
    _, errors = victim.communicate(timeout=300)
    assert victim.returncode == -signal.SIGALRM, errors
    assert not (tmp_path / "killed" / "result.json").exists()

    again = start(tmp_path / "killed")
    whole = tmp_path / "whole"
    run(make_run(whole, corpus, recipe), RunFolder(whole))
    _, errors = again.communicate(timeout=300)
    assert again.returncode == 0, errors
    for name in ("base", "initial"):
        expected = (whole / name / "model.safetensors").read_bytes()
        assert (tmp_path / "killed" / name / "model.safetensors").read_bytes() == expected
    results = [RunFolder(folder).read_result() or {} for folder in (whole, tmp_path / "killed")]
    for result in results:
        result.pop("seconds")
    assert results[0] == results[1]


def test_a_run_leaves_two_models_a_tokenizer_and_a_result(tmp_path: Path) -> None:
    rows = corpus_rows(400)
    corpus = write_rows(tmp_path / "corpus.jsonl", [*rows, {"text": ""}])
    config = make_run(tmp_path / "run", corpus, quick_recipe()).model_copy(update={"evaluate_every": 10})
    run(config, RunFolder(tmp_path / "run"))
    for folder in (config.out, config.out_initial):
        assert folder is not None
        check_checkpoint_folder(folder)
        assert json.loads((folder / "config.json").read_text())["max_position_embeddings"] == 64
    result = RunFolder(tmp_path / "run").read_result()
    assert result is not None
    assert result["num_steps"] == 45
    assert 30 * 4 * 28 < result["num_tokens"] <= 45 * 128
    assert result["holdout_loss"] < result["holdout_loss_before_annealing"] < 4.0
    told = RunFolder(tmp_path / "run").read_metrics("metrics")
    looks = {row["step"]: row["evaluation_loss"] for row in told if "evaluation_loss" in row}
    assert sorted(looks) == [10, 20, 30, 40]
    assert looks[40] < looks[10]
    assert 1 < result["characters_per_token"] < 5
    assert result["corpus"]["refused"] == 1
    assert result["corpus"]["documents"] == 400
    assert result["corpus"]["holdout_documents"] >= 20
    refused = json.loads((tmp_path / "run" / "refused.jsonl").read_text())
    assert (refused["line"], refused["reason"]) == (401, '"text" is empty')
    progress = list(RunFolder(tmp_path / "run").read_metrics("progress"))[-1]
    assert (progress["done"], progress["total"]) == (45, 45)
    assert sorted(file.name for file in (tmp_path / "run").iterdir()) == [
        "base", "initial", "metrics.jsonl", "refused.jsonl", "result.json", "run.json", "tokenizer",
    ]  # fmt: skip
    pair = [load_file(folder / "model.safetensors") for folder in (config.out, tmp_path / "run" / "initial")]
    assert any(not torch.equal(pair[0][name], pair[1][name]) for name in pair[0])


def test_the_final_model_is_the_mean_of_the_annealing_checkpoints(
    tmp_path: Path, tokenizer_folder: Path
) -> None:
    recipe = quick_recipe()
    folder = RunFolder(tmp_path)
    weights_path(folder, 0).parent.mkdir()
    models = [small_model(tokenizer_folder, seed=seed) for seed in range(3)]
    for step, model in zip(averaged_steps(recipe), models, strict=True):
        save_file(model.state_dict(), weights_path(folder, step))
    mean = small_model(tokenizer_folder, seed=9)
    load_mean(mean, folder, averaged_steps(recipe))
    for name, weight in mean.state_dict().items():
        expected = torch.stack([model.state_dict()[name] for model in models]).mean(0)
        torch.testing.assert_close(weight, expected)


def test_a_corpus_with_no_text_ends_the_program_with_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = write_rows(tmp_path / "corpus.jsonl", [{"text": ""}, {"title": "x"}])
    make_run(tmp_path / "run", corpus, quick_recipe())
    monkeypatch.setattr(sys, "argv", ["pretrain.train", str(tmp_path / "run" / "run.json")])
    with pytest.raises(SystemExit) as exit_info:
        program_main(PretrainConfig, run)
    assert exit_info.value.code == EXIT_USER_ERROR
    sentence = RunFolder(tmp_path / "run").read_error()
    assert sentence is not None
    assert sentence.startswith(f"There is no text in the corpus {corpus}")
    assert capsys.readouterr().err.strip() == sentence
