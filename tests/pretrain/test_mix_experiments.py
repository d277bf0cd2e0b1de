"""A law of loss over weights: known numbers come back, and runs of the program are not done twice."""

from pathlib import Path

import numpy as np
import pytest

from pretrain.failures import ProgramError
from pretrain.mix_experiments import MixExperimentsConfig, run
from pretrain.mix_law import (
    MixLaw,
    candidate_weights,
    larger_held_out,
    law_held_out,
    rank_correlation,
)
from pretrain.run import RunFolder
from tests.pretrain.factories import corpus_rows, quick_recipe, write_rows

SOURCES = ("books", "code", "web", "languages")
TRUE = MixLaw(2.0, 0.3, np.array([-1.5, 0.4, 0.1, 1.0]))


def noisy(num: int, noise: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    weights_MS = candidate_weights(num, SOURCES, seed, 0.02)
    return weights_MS, TRUE.predict(weights_MS) + noise * np.random.default_rng(seed).standard_normal(num)


def test_a_law_without_noise_is_found_again() -> None:
    weights_MS, losses_M = noisy(40, 0.0)
    law = MixLaw.fit(weights_MS, losses_M)
    fresh_MS = candidate_weights(200, SOURCES, 9, 0.02)
    assert np.abs(law.predict(fresh_MS) - TRUE.predict(fresh_MS)).max() < 0.01


def test_errors_on_runs_left_out_are_about_the_noise_and_far_below_the_means() -> None:
    weights_MS, losses_M = noisy(40, 0.02)
    found = law_held_out(weights_MS, losses_M)
    assert 0.01 < found.mean_error < 0.04
    assert found.mean_error_of_mean > 5 * found.mean_error
    assert found.rank_correlation > 0.95


def test_a_larger_models_losses_follow_from_the_small_ones() -> None:
    weights_MS, losses_M = noisy(40, 0.01)
    larger_M = 0.2 + 0.8 * TRUE.predict(weights_MS[:6])
    found = larger_held_out(MixLaw.fit(weights_MS, losses_M), weights_MS[:6], larger_M)
    assert found.mean_error < 0.02 < found.mean_error_of_mean


def test_candidates_are_mixes_with_the_least_weight_kept() -> None:
    weights_MS = candidate_weights(500, SOURCES, 1, 0.05)
    assert np.allclose(weights_MS.sum(1), 1) and weights_MS.min() >= 0.05
    assert np.allclose(weights_MS.mean(0), 0.25, atol=0.03)


def test_ranks_are_compared_and_not_values() -> None:
    assert rank_correlation(np.array([1.0, 2, 3]), np.array([1.0, 10, 11])) == pytest.approx(1)
    assert rank_correlation(np.array([1.0, 2, 3]), np.array([3.0, 2, 1])) == pytest.approx(-1)


def test_too_few_mixes_are_refused() -> None:
    with pytest.raises(ProgramError, match="4 mixes of 4 sources are too few for a law: train at least 5"):
        MixLaw.fit(*noisy(4, 0.0))


def make_run(folder: Path) -> MixExperimentsConfig:
    corpus = folder / "corpus"
    corpus.mkdir(exist_ok=True)
    write_rows(corpus / "stories.jsonl", corpus_rows(200))
    digits = np.random.default_rng(0).integers(0, 10, (20, 40))
    write_rows(corpus / "noise.jsonl", [{"text": " ".join(map(str, row))} for row in digits])
    short = {"annealing": {"num_steps": 3, "num_rows": 2, "sequence_length": 64}, "warmup_steps": 2}
    initial = {"num_steps": 6, "num_rows": 4, "sequence_length": 32}
    return MixExperimentsConfig(
        corpus=corpus,
        small=quick_recipe(**short, initial=initial),
        larger=quick_recipe(**short, initial={**initial, "num_steps": 12}),
        num_small=4,
        num_larger=3,
        seed=1,
        num_threads=1,
    )


def test_every_model_is_trained_once_and_the_law_is_told_with_its_errors(tmp_path: Path) -> None:
    config, folder = make_run(tmp_path), RunFolder(tmp_path / "run")
    run(config, folder)
    result = folder.read_result()
    assert result is not None
    assert [row["size"] for row in result["runs"]] == ["small"] * 4 + ["larger"] * 3
    assert sum(result["best"]["weights"].values()) == pytest.approx(1)
    assert set(result["held_out"]["larger"]) == {"mean_error", "mean_error_of_mean", "rank_correlation"}
    models = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("model.safetensors")}
    assert len(models) == 7
    run(config, folder)
    assert folder.read_result() == result
    assert models == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("model.safetensors")}


def test_a_corpus_of_one_source_is_refused(tmp_path: Path) -> None:
    config = make_run(tmp_path)
    (config.corpus / "noise.jsonl").unlink()
    with pytest.raises(ProgramError, match="The corpus has 1 sources"):
        run(config, RunFolder(tmp_path / "run"))
