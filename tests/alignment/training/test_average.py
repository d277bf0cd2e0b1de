"""Averaging against means worked by hand, and what is refused."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from alignment.programs import (
    AverageConfig,
    AverageMethod,
    EmaMethod,
    GreedySoupMethod,
    MeanMethod,
    SlerpMethod,
    TiesMethod,
)
from alignment.training.average import run
from alignment.training.merging import slerp
from alignment.training.reward import reward_model_from
from pretrain.checkpoint_folder import load_causal_lm, logprobs, save_checkpoint_folder
from pretrain.run import ProgramError, RunFolder
from tests.alignment.training.factories import make_base, read_config


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("checkpoints")
    return [make_base(folder / f"base-{seed}", seed=seed) for seed in range(3)]


def average(
    folder: Path,
    *checkpoints: Path,
    weights: tuple[float, ...] | None = None,
    method: AverageMethod = MeanMethod(),  # noqa: B008  # frozen
    **files: Path,
) -> Path:
    out = folder / "average"
    config = {"checkpoints": checkpoints, "weights": weights, "method": method, "out": out, **files}
    run(AverageConfig.model_validate(config), RunFolder(folder / "run"))
    return out


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    return dict(load_file(folder / "model.safetensors"))


def test_the_uniform_mean_is_the_mean_of_every_weight(checkpoints: list[Path], tmp_path: Path) -> None:
    out = average(tmp_path, *checkpoints)
    found, parts = weights_of(out), [weights_of(path) for path in checkpoints]
    assert set(found) == set(parts[0])
    for name, weight in found.items():
        expected = torch.stack([part[name] for part in parts]).mean(0)
        torch.testing.assert_close(weight, expected, atol=1e-7, rtol=1e-6)
    assert RunFolder(tmp_path / "run").read_result() == {"num_checkpoints": 3, "num_tensors": len(found)}


def filled(folder: Path, source: Path, value: float) -> Path:
    """A copy of a checkpoint with one value in all of its weights."""
    shutil.copytree(source, folder)
    weights = {name: torch.full_like(weight, value) for name, weight in weights_of(source).items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def test_a_weighted_mean_by_hand(checkpoints: list[Path], tmp_path: Path) -> None:
    folders = [filled(tmp_path / f"all-{value}", checkpoints[0], value) for value in (1.0, 2.0)]
    found = weights_of(average(tmp_path, *folders, weights=(0.25, 0.75)))
    assert all((weight == 1.75).all() for weight in found.values())


def test_slerp_merges_every_weight_along_its_arc(checkpoints: list[Path], tmp_path: Path) -> None:
    found = weights_of(average(tmp_path, *checkpoints[:2], method=SlerpMethod(name="slerp")))
    first, second = weights_of(checkpoints[0]), weights_of(checkpoints[1])
    assert all(torch.equal(weight, slerp(first[name], second[name], 0.5)) for name, weight in found.items())


def test_ties_keeps_what_the_models_agree_on(checkpoints: list[Path], tmp_path: Path) -> None:
    initial, first, second, third = (
        filled(tmp_path / f"all-{value}", checkpoints[0], value) for value in (1.0, 3.0, 2.0, 0.0)
    )
    method = TiesMethod(name="ties", density=1.0)
    found = weights_of(average(tmp_path, first, second, third, method=method, initial=initial))
    # Differences 2, 1 and -1: the two that rise win, and their mean is added.
    assert all((weight == 2.5).all() for weight in found.values())


def test_ties_of_reward_models_start_from_the_base_and_a_head_of_zeros(
    checkpoints: list[Path], tmp_path: Path
) -> None:
    folders = []
    for value in (1.0, 3.0):
        model = reward_model_from(load_causal_lm(checkpoints[0]), pad_id=2)
        torch.nn.init.constant_(model.score.weight, value)
        save_checkpoint_folder(model, checkpoints[0], tmp_path / f"reward-{value}")
        folders.append(tmp_path / f"reward-{value}")
    method = TiesMethod(name="ties", density=1.0)
    found = weights_of(average(tmp_path, *folders, method=method, initial=checkpoints[0]))
    assert (found["score.weight"] == 2.0).all()
    base = weights_of(checkpoints[0])
    assert all(torch.equal(weight, base[name]) for name, weight in found.items() if name in base)


def test_ties_from_another_shape_is_refused(checkpoints: list[Path], tmp_path: Path) -> None:
    wider = make_base(tmp_path / "wider", width=64)
    with pytest.raises(ProgramError, match="average models of one shape only"):
        average(tmp_path, *checkpoints[:2], method=TiesMethod(name="ties"), initial=wider)


def test_an_average_over_rounds_keeps_the_decay_of_the_round_before(
    checkpoints: list[Path], tmp_path: Path
) -> None:
    first, second, previous = (
        filled(tmp_path / f"all-{value}", checkpoints[0], value) for value in (1.0, 3.0, 10.0)
    )
    method = EmaMethod(name="ema", decay=0.25)
    found = weights_of(average(tmp_path, first, second, method=method, previous=previous))
    assert all((weight == 4.0).all() for weight in found.values())
    found = weights_of(average(tmp_path, first, second, method=method))
    assert all((weight == 2.0).all() for weight in found.values())


@pytest.mark.parametrize(
    ("method", "sentence"),
    [
        (TiesMethod(name="ties"), "TIES needs `initial`"),
        (GreedySoupMethod(name="greedy_soup"), "A greedy soup needs `holdout`"),
    ],
)
def test_a_method_without_what_it_needs_is_refused(method: AverageMethod, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        AverageConfig(checkpoints=(Path("a"), Path("b")), method=method, out=Path("out"))


def test_the_mean_of_equal_checkpoints_is_the_checkpoint_to_the_bit(
    checkpoints: list[Path], tmp_path: Path
) -> None:
    found = weights_of(average(tmp_path, *[checkpoints[0]] * 3))
    assert all(torch.equal(weight, found[name]) for name, weight in weights_of(checkpoints[0]).items())


def test_the_average_is_a_whole_checkpoint_with_a_canary_of_its_own(
    checkpoints: list[Path], tmp_path: Path
) -> None:
    out = average(tmp_path, *checkpoints[:2])
    assert {file.name for file in out.iterdir()} == {file.name for file in checkpoints[0].iterdir()}
    canary = json.loads((out / "canary.json").read_text())
    assert canary["logprobs"] == pytest.approx(logprobs(load_causal_lm(out), canary["token_ids"]), abs=1e-5)
    assert canary["logprobs"] != json.loads((checkpoints[0] / "canary.json").read_text())["logprobs"]


def test_reward_models_are_averaged_without_a_canary(checkpoints: list[Path], tmp_path: Path) -> None:
    folders = []
    for value, path in enumerate(checkpoints[:2]):
        model = reward_model_from(load_causal_lm(path), pad_id=2)
        torch.nn.init.constant_(model.score.weight, float(value))
        save_checkpoint_folder(model, path, tmp_path / f"reward-{value}")
        folders.append(tmp_path / f"reward-{value}")
    out = average(tmp_path, *folders)
    assert not (out / "canary.json").exists()
    assert (weights_of(out)["score.weight"] == 0.5).all()


def test_other_shapes_are_refused_and_nothing_is_written(checkpoints: list[Path], tmp_path: Path) -> None:
    wider = make_base(tmp_path / "wider", width=64)
    with pytest.raises(
        ProgramError, match=r"differ in head_dim, hidden_size, intermediate_size: average models of one shape"
    ):
        average(tmp_path, checkpoints[0], wider)
    assert not (tmp_path / "average").exists()


def test_a_tied_and_an_untied_model_are_refused_with_what_to_do(
    checkpoints: list[Path], tmp_path: Path
) -> None:
    tied = tmp_path / "tied"
    shutil.copytree(checkpoints[1], tied)
    (tied / "config.json").write_text(json.dumps({**read_config(tied), "tie_word_embeddings": True}))
    with pytest.raises(ProgramError, match=r"tied ties its embeddings to its head and .*untie them before"):
        average(tmp_path, checkpoints[0], tied)


def test_other_weights_than_the_config_says_are_refused(checkpoints: list[Path], tmp_path: Path) -> None:
    folder = tmp_path / "short"
    shutil.copytree(checkpoints[0], folder)
    fewer = {name: weight for name, weight in weights_of(folder).items() if name != "model.norm.weight"}
    save_file(fewer, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ProgramError, match=r"differ in the weight model.norm.weight"):
        average(tmp_path, checkpoints[0], folder)


def test_another_tokenizer_is_refused(checkpoints: list[Path], tmp_path: Path) -> None:
    folder = tmp_path / "other"
    shutil.copytree(checkpoints[1], folder)
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["post_processor"] = None
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(ProgramError, match="different tokenizers: average models of one base only"):
        average(tmp_path, checkpoints[0], folder)


def test_bad_weights_are_refused(checkpoints: list[Path], tmp_path: Path) -> None:
    with pytest.raises(ProgramError, match=r"There are 1 weights for 2 checkpoints: give one for each"):
        average(tmp_path, *checkpoints[:2], weights=(1.0,))
    with pytest.raises(ProgramError, match=r"The weights sum to 0.9: make them sum to 1"):
        average(tmp_path, *checkpoints[:2], weights=(0.5, 0.4))


def test_a_checkpoint_in_another_precision_is_averaged_in_fp32(
    checkpoints: list[Path], tmp_path: Path
) -> None:
    folder = tmp_path / "bf16"
    shutil.copytree(checkpoints[0], folder)
    rounded = {name: weight.bfloat16() for name, weight in weights_of(folder).items()}
    save_file(rounded, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps({**read_config(folder), "dtype": "bfloat16"}))
    out = average(tmp_path, folder, folder)
    assert read_config(out)["dtype"] == "float32"
    assert all(torch.equal(weight, rounded[name].float()) for name, weight in weights_of(out).items())
