"""Whole programs over several processes: their checkpoint is one process's, whatever happens to them."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch.distributed
from safetensors.torch import load_file

from alignment.programs import DpoConfig, LoraConfig, RewardConfig, SftConfig, TrainingConfig
from alignment.training import dpo, reward, sft
from alignment.training.reference import CACHE_NAME
from pretrain.checkpoints import checkpoints
from pretrain.processes import LOST, is_first, process_group
from pretrain.run import EXIT_TERMINATED, Onlooker, ProgramError, RunFolder, program_command
from tests.alignment.training.factories import (
    REPOSITORY,
    make_base,
    make_broken_base,
    make_optimizer,
    training,
)
from tests.alignment.training.together import Run, program_together


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("base") / "base")


def assert_same_weights(first: Path, second: Path) -> None:
    one, other = (load_file(folder / "checkpoint" / "model.safetensors") for folder in (first, second))
    assert set(one) == set(other)
    for name, weight in one.items():
        assert (weight - other[name]).abs().max() < 1e-5, name


def config_of(config_type: type[TrainingConfig], base: Path, data: Path, folder: Path, **changes: Any) -> Any:
    """A program's configuration with microbatches of a few rows."""
    train = data / ("sft.jsonl" if config_type is SftConfig else "preferences.jsonl")
    more: dict[str, Any] = {  # Any: fields
        "optimizer": make_optimizer(learning_rate=1e-3, num_epochs=2, batch_size=5),
        "max_row_tokens": 96,
        "max_tokens_per_microbatch": 96,
    }
    if config_type is RewardConfig:
        more["holdout"] = train
    return config_type(**training(base, train, folder, **(more | changes)))


@pytest.mark.parametrize(
    ("config_type", "run", "changes"),
    [
        (RewardConfig, reward.run, {}),
        (DpoConfig, dpo.run, {"lora": LoraConfig(rank=4)}),
        (SftConfig, sft.run, {"precision": "bf16"}),
    ],
    ids=["reward model", "dpo with adapters", "sft in bf16"],
)
def test_two_processes_leave_what_one_leaves(
    base: Path,
    data: Path,
    tmp_path: Path,
    config_type: type[TrainingConfig],
    run: Run,
    changes: dict[str, Any],
) -> None:
    alone, together = tmp_path / "alone", tmp_path / "together"
    run(config_of(config_type, base, data, alone, **changes), RunFolder(alone))
    config = config_of(config_type, base, data, together, num_processes=2, **changes)
    assert program_together(config, run, together) == [0, 0]
    assert_same_weights(alone, together)
    results = [RunFolder(folder).read_result() or {} for folder in (alone, together)]
    holdouts = [result.pop("holdout", None) for result in results]
    assert holdouts[0] == holdouts[1]
    sources = [result.pop("sources", None) for result in results]
    assert sources[0] == sources[1]
    assert results[1] == pytest.approx(results[0], abs=1e-5)
    rows = [list(RunFolder(folder).read_metrics("metrics")) for folder in (alone, together)]
    assert [row["step"] for row in rows[0]] == [row["step"] for row in rows[1]] == [1, 2, 3, 4]
    assert [row["loss"] for row in rows[1]] == pytest.approx([row["loss"] for row in rows[0]], abs=1e-5)
    assert not checkpoints(RunFolder(together))
    if config_type is DpoConfig:
        one, other = load_file(alone / CACHE_NAME), load_file(together / CACHE_NAME)
        assert set(one) == set(other)
        assert all(torch.allclose(value, other[name], atol=1e-5) for name, value in one.items())


def test_bf16_weights_learn_in_several_processes_too(base: Path, data: Path, tmp_path: Path) -> None:
    config = config_of(RewardConfig, base, data, tmp_path, num_processes=2, precision="pure_bf16")
    assert program_together(config, reward.run, tmp_path) == [0, 0]
    losses = [row["loss"] for row in RunFolder(tmp_path).read_metrics("metrics")]
    assert losses[-1] < losses[0]
    weights, before = load_file(config.out / "model.safetensors"), load_file(base / "model.safetensors")
    assert {weight.dtype for weight in weights.values()} == {torch.float32}
    trained = [name for name in before if name in weights and name != "lm_head.weight"]
    assert all(not torch.equal(weights[name], before[name].bfloat16().float()) for name in trained)


class Stopping(Onlooker):
    """A run folder whose process is told to stop at the fifth step."""

    def metrics(self, step: int, **values: float | int | str | None) -> None:
        if step == 5:
            os.kill(os.getpid(), signal.SIGTERM)


def stop_in_the_middle(config: DpoConfig, folder: RunFolder) -> None:
    """A run that only the second process is told to end."""
    dpo.run(config, folder if is_first() else Stopping(folder.path))


def test_a_process_told_to_stop_stops_all_and_any_number_of_processes_goes_on(
    base: Path, data: Path, tmp_path: Path
) -> None:
    steps = {"optimizer": make_optimizer(learning_rate=1e-3, num_epochs=8, batch_size=5)}
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    dpo.run(config_of(DpoConfig, base, data, whole, **steps), RunFolder(whole))
    config = config_of(DpoConfig, base, data, cut, num_processes=2, **steps)
    assert program_together(config, stop_in_the_middle, cut) == [EXIT_TERMINATED] * 2
    assert RunFolder(cut).read_result() is None
    assert RunFolder(cut).read_error() is None
    for num in (1, 2, 3):
        resumed = tmp_path / f"resumed-{num}"
        shutil.copytree(cut, resumed)
        config = config_of(DpoConfig, base, data, resumed, num_processes=num, **steps)
        if num == 1:
            dpo.run(config, RunFolder(resumed))
        else:
            assert program_together(config, dpo.run, resumed) == [0] * num
        assert_same_weights(whole, resumed)
        logged = [row["step"] for row in RunFolder(resumed).read_metrics("metrics")]
        assert logged == list(range(1, 17))


@pytest.mark.slow
def test_the_launcher_ends_with_all_of_its_processes_and_a_checkpoint(
    base: Path, data: Path, tmp_path: Path
) -> None:
    """Started and stopped as a worker does it."""
    folder = RunFolder(tmp_path)
    steps = {"optimizer": make_optimizer(num_epochs=1000, batch_size=5)}
    folder.write_config(config_of(SftConfig, base, data, tmp_path, num_processes=2, **steps))
    launcher = subprocess.Popen(
        program_command("alignment.training.sft", folder),
        cwd=REPOSITORY,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "error"},
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: launcher.poll() is not None or "metrics" in kinds(folder))
    processes = psutil.Process(launcher.pid).children(recursive=True)
    launcher.terminate()
    _, errors = launcher.communicate(timeout=60)
    assert len(processes) == 2, errors
    left = [process for process in processes if process.is_running()]
    assert all(process.status() == psutil.STATUS_ZOMBIE for process in left)
    assert checkpoints(RunFolder(tmp_path)), errors
    assert folder.read_result() is None
    assert folder.read_error() is None


def kinds(folder: RunFolder) -> set[str]:
    """What the program has told so far."""
    return {row["kind"] for row in folder.read_metrics()}


def test_a_loss_that_is_no_number_ends_all_processes_with_the_example_that_makes_it_so(
    tmp_path: Path,
) -> None:
    broken, train, guilty = make_broken_base(tmp_path)
    config = RewardConfig(**training(broken, train, tmp_path, num_processes=2))
    assert program_together(config, reward.run, tmp_path) == [2, 2]
    error = RunFolder(tmp_path).read_error() or ""
    assert error.startswith("The loss became nan at step 1")
    assert error.endswith(f"look at them: {guilty}.")


def leave_in_the_middle(config: DpoConfig, folder: RunFolder) -> None:
    """A run of which the second process is gone at once, as if the kernel had killed it."""
    if torch.distributed.get_rank() == 1:
        os._exit(0)
    dpo.run(config, folder)


def test_a_process_that_is_lost_ends_the_others_with_a_sentence(
    base: Path, data: Path, tmp_path: Path
) -> None:
    config = config_of(DpoConfig, base, data, tmp_path, num_processes=2)
    (tmp_path / "status-1").write_text("0")
    assert program_together(config, leave_in_the_middle, tmp_path) == [2, 0]
    assert RunFolder(tmp_path).read_error() == LOST


def fail_in_the_middle(config: DpoConfig, folder: RunFolder) -> None:
    """A run whose second process alone finds something wrong."""
    if not is_first():
        raise ProgramError("The disk is full: make room.")
    dpo.run(config, folder)


def test_what_one_process_says_is_not_covered_by_what_follows_in_the_others(
    base: Path, data: Path, tmp_path: Path
) -> None:
    config = config_of(DpoConfig, base, data, tmp_path, num_processes=2)
    assert program_together(config, fail_in_the_middle, tmp_path) == [2, 2]
    assert RunFolder(tmp_path).read_error() == "The disk is full: make room."


def test_a_program_started_in_another_number_of_processes_says_how_to_start_it() -> None:
    with (
        pytest.raises(ProgramError, match=r"started in 1 process: .*--nproc-per-node 4 -m"),
        process_group(4),
    ):
        pass


def wait_until(condition: Callable[[], bool]) -> None:
    for _ in range(6000):
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError("It did not happen.")
