"""Trainings killed with -9 at random moments leave byte by byte what an undisturbed one leaves."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alignment.programs import DpoConfig, RewardConfig, SftConfig, TrainingConfig
from alignment.training import dpo, reward, sft
from pretrain.run import RunFolder
from tests.alignment.training.factories import make_base, make_optimizer, training
from tests.pretrain.killed import run_killed


@pytest.mark.parametrize(
    ("config_type", "run", "records"),
    [
        (RewardConfig, reward.run, "preferences.jsonl"),
        (SftConfig, sft.run, "sft.jsonl"),
        (DpoConfig, dpo.run, "preferences.jsonl"),
    ],
    ids=["reward model", "sft", "dpo"],
)
def test_kills_change_no_byte(
    data: Path,
    tmp_path: Path,
    config_type: type[TrainingConfig],
    run: Callable[[Any, RunFolder], None],
    records: str,
) -> None:
    base = make_base(tmp_path / "base")

    def to_the_end(folder: Path) -> None:
        config = config_type(
            **training(
                base,
                data / records,
                folder,
                optimizer=make_optimizer(num_epochs=6, batch_size=4),
                checkpoint_seconds=1e-9,
            )
        )
        run(config, RunFolder(folder))

    to_the_end(tmp_path / "whole")
    assert run_killed(to_the_end, tmp_path / "killed", num_kills=6) > 1
    for name in ("model.safetensors", "config.json"):
        expected, found = (
            (tmp_path / each / "checkpoint" / name).read_bytes() for each in ("whole", "killed")
        )
        assert found == expected
    results = [RunFolder(tmp_path / each).read_result() for each in ("whole", "killed")]
    assert results[0] == results[1]
    RunFolder(tmp_path / "killed").tidy()
    left = [sorted(path.name for path in (tmp_path / each).iterdir()) for each in ("whole", "killed")]
    assert left[0] == left[1]
