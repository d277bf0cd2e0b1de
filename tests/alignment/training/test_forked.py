"""A training that is forked gives, to the last bit, what one that is started anew gives."""

import time
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings

from alignment import program_process
from alignment.program_forks import ForkedKeeper, servers_let_go
from alignment.program_process import process_start
from alignment.programs import SftConfig
from pretrain.run import RunFolder, program_command
from tests.alignment.training.factories import make_base, make_optimizer, training


def test_a_forked_training_in_two_threads_gives_the_same_weights(
    data: Path,
    tmp_path: Path,
    settings: Any,  # Any: pytest-django's
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(program_process, "FORK_SECONDS", 300.0)
    base = make_base(tmp_path / "base")
    weights = []
    for is_forked in (True, False):
        settings.ACCORD_FORK_PROGRAMS = is_forked
        folder = RunFolder(tmp_path / str(is_forked))
        optimizer = make_optimizer(num_epochs=2, batch_size=4)
        folder.write_config(SftConfig(**training(base, data / "sft.jsonl", folder.path, optimizer=optimizer)))
        process = process_start(
            program_command("alignment.training.sft", folder),
            log=folder.path / "log.txt",
            environment=django_settings.ACCORD_PROGRAM_ENVIRONMENT(num_threads=2),
        )
        assert isinstance(process.keeper, ForkedKeeper) == is_forked
        while process.running:
            time.sleep(0.05)
        assert process.returncode == 0, (folder.path / "log.txt").read_text()
        weights.append((folder.path / "checkpoint" / "model.safetensors").read_bytes())
    servers_let_go()
    assert weights[0] == weights[1]
