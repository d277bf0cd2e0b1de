"""Killed and started again, on as many processes or others, a training goes on as if nothing had been."""

import os
import signal
from pathlib import Path

import pytest
import torch
from torch.multiprocessing import ProcessExitedException

from pretrain.loop_state import LoopState
from pretrain.parallel.elastic import (
    TOLD,
    ElasticStore,
    elastic_checkpoints,
    newest,
    standing,
    start_moments,
)
from pretrain.parallel.plan import ParallelPlan
from pretrain.processes import process_group
from pretrain.run import RunFolder
from tests.pretrain.parallel.worlds import (
    TOKENS,
    loop_config,
    losses_in,
    start_world,
    steps_of,
    tensors_in,
    train_on,
)

NUM_STEPS = 8
KILLED_AFTER = 5
OFTEN = 1e-9
"""Seconds between checkpoints: one after each step."""


def train_in_world(data: int, path: Path, num_steps: int, kill: bool = False) -> None:
    """Train on data parallelism alone. When it is killed, the last checkpoint may be half written."""

    def after_step(num_done: int) -> None:
        if kill and num_done == KILLED_AFTER:
            os.kill(os.getpid(), signal.SIGKILL)

    with process_group(data):
        # The microbatches are the same for any number of processes, so that sums round alike.
        train_on(ParallelPlan(data=data, rows_per_microbatch=2), path, steps_of(num_steps), after_step, OFTEN)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two processes, eight steps, no disturbance."""
    folder = tmp_path_factory.mktemp("whole")
    start_world(2, train_in_world, 2, folder, NUM_STEPS)
    return folder


@pytest.mark.slow
def test_a_killed_training_goes_on_to_bitwise_the_same_weights(uninterrupted: Path, tmp_path: Path) -> None:
    with pytest.raises(ProcessExitedException, match="SIGKILL"):
        start_world(2, train_in_world, 2, tmp_path, NUM_STEPS, True)
    stood = standing(RunFolder(tmp_path))
    assert 0 < stood.step < KILLED_AFTER and stood.num_tokens == stood.step * TOKENS
    start_world(2, train_in_world, 2, tmp_path, NUM_STEPS)
    assert losses_in(tmp_path) == losses_in(uninterrupted)
    expected, found = tensors_in(uninterrupted), tensors_in(tmp_path)
    assert all(torch.equal(value, found[name]) for name, value in expected.items())


@pytest.mark.slow
def test_processes_may_come_and_go_between_sittings(uninterrupted: Path, tmp_path: Path) -> None:
    """Two, then four, then one."""
    for data, num_steps in ((2, 2), (4, 5), (1, NUM_STEPS)):
        start_world(data, train_until, data, tmp_path, num_steps)
    assert losses_in(tmp_path) == pytest.approx(losses_in(uninterrupted), abs=1e-6, rel=0)


def train_until(data: int, path: Path, num_steps: int) -> None:
    """Train towards the schedule's end but stop, as told by SIGTERM, after `num_steps`."""

    def after_step(num_done: int) -> None:
        if num_done == num_steps < NUM_STEPS:
            os.kill(os.getpid(), signal.SIGTERM)

    with process_group(data):
        try:
            train_on(ParallelPlan(data=data, rows_per_microbatch=2), path, steps_of(NUM_STEPS), after_step)
        except SystemExit as stop:
            assert num_steps < NUM_STEPS, stop


def test_a_damaged_checkpoint_is_passed_over(uninterrupted: Path, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    for source in elastic_checkpoints(RunFolder(uninterrupted)):
        copy = tmp_path / source.name
        copy.mkdir()
        for part in source.iterdir():
            (copy / part.name).write_bytes(part.read_bytes())
    last, before = elastic_checkpoints(folder)
    shard = next(part for part in last.iterdir() if part.suffix == ".distcp")
    shard.write_bytes(shard.read_bytes()[:-1])
    found = newest(folder)
    assert found is not None and found[0] == before
    assert not last.exists() and (before / TOLD).exists()
    assert "damaged" in next(folder.read_metrics("warning"))["warning"]


@pytest.mark.slow
def test_what_the_loop_knows_is_kept_as_it_was_when_the_checkpoint_began(tmp_path: Path) -> None:
    start_world(1, save_and_go_on, tmp_path)
    found = newest(RunFolder(tmp_path))
    assert found is not None
    assert found[1]["step"] == found[1]["state"]["step"] == 3
    assert found[1]["state"]["totals"] == {"loss": 1.0}


def save_and_go_on(path: Path) -> None:
    """As a training does while its checkpoint is written."""
    weight = torch.nn.Parameter(torch.zeros(4))
    optimizer = torch.optim.AdamW([weight])
    start_moments(optimizer, 3)
    state = LoopState(step=3, totals={"loss": 1.0})
    with process_group(1):
        store = ElasticStore(RunFolder(path), lambda step: step * TOKENS, {})
        store.save({"weight": weight}, optimizer, state, loop_config(8))
        state.add({"loss": 2.0}, 0.1, 8)
        store.finish()
