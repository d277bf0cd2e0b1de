"""A training on any mesh is the training of one process; its checkpoints serve any other mesh."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch

from pretrain.loop import train
from pretrain.model import next_token_loss
from pretrain.parallel.plan import ParallelPlan
from pretrain.processes import process_group
from pretrain.run import RunFolder
from tests.pretrain.parallel.worlds import (
    EVALUATED_AFTER,
    LENGTH,
    NUM_ROWS,
    TOKENS,
    evaluation_losses_in,
    held_out,
    loop_config,
    losses_in,
    num_layers,
    save_again,
    start_world,
    steps_of,
    stream,
    tensors_in,
    train_on,
    whole_model,
)

NUM_STEPS = 5
TOLERANCE = 1e-6
"""Of the losses, which begin at 4.2; a step of fp32 there is 5e-7."""
MESHES = {
    2: {
        "tensor": ParallelPlan(tensor=2, rows_per_microbatch=8),
        "context": ParallelPlan(context=2, rows_per_microbatch=4),
        "pipeline": ParallelPlan(pipeline=2, rows_per_microbatch=4),
        "interleaved pipeline": ParallelPlan(pipeline=2, stages_per_process=2, rows_per_microbatch=2),
        "data": ParallelPlan(data=2, rows_per_microbatch=2),
        "data, resharded": ParallelPlan(data=2, reshard_after_forward=True, rows_per_microbatch=2),
        "data, computed again": ParallelPlan(data=2, recompute_activations=True, rows_per_microbatch=2),
    },
    4: {
        "tensor and context": ParallelPlan(tensor=2, context=2, rows_per_microbatch=8),
        "tensor and pipeline": ParallelPlan(tensor=2, pipeline=2, rows_per_microbatch=4),
        "tensor and data": ParallelPlan(tensor=2, data=2, rows_per_microbatch=4),
        "context and pipeline": ParallelPlan(context=2, pipeline=2, rows_per_microbatch=4),
        "context and data": ParallelPlan(context=2, data=2, rows_per_microbatch=4),
        "pipeline and data": ParallelPlan(pipeline=2, data=2, rows_per_microbatch=2),
        "tensor and context, computed again": ParallelPlan(
            tensor=2, context=2, recompute_activations=True, rows_per_microbatch=8
        ),
        "pipeline and data, computed again": ParallelPlan(
            pipeline=2, data=2, recompute_activations=True, reshard_after_forward=True, rows_per_microbatch=2
        ),
    },
    16: {"all": ParallelPlan(tensor=2, context=2, pipeline=2, data=2, rows_per_microbatch=2)},
}
AGAIN = (
    ("tensor and pipeline", ParallelPlan(context=2, data=2)),
    ("context and data", ParallelPlan(tensor=2, pipeline=2)),
    ("pipeline and data", ParallelPlan(tensor=2, data=2)),
)
"""On which other mesh a checkpoint is loaded and saved again."""


@cache
def losses_of_one(num_layers: int) -> list[float]:
    """Of one process, with the whole model as it is and the loop's own engine; last, of rows held out."""
    data, model, looks = stream(), whole_model(num_layers), []

    def evaluate(num_done: int) -> None:
        if num_done == EVALUATED_AFTER:
            (batch,) = held_out().microbatches(NUM_ROWS)
            with torch.no_grad():
                looks.append(next_token_loss(model, batch)[0].item())

    with TemporaryDirectory() as folder:
        train(
            model=model,
            batch_at=lambda step: data.rows(step * TOKENS, NUM_ROWS, LENGTH).microbatches(NUM_ROWS),
            loss=next_token_loss,
            config=loop_config(NUM_STEPS),
            folder=RunFolder(Path(folder)),
            learning_rate_at=lambda step: steps_of(NUM_STEPS).learning_rate_at((step + 1) * TOKENS),
            after_step=evaluate,
        )
        losses = losses_in(Path(folder))
    assert len(set(losses)) == NUM_STEPS
    return losses + looks


def train_on_all(num_processes: int, path: Path) -> None:
    """All meshes of one world, and some of their checkpoints once more from other ones."""
    with process_group(num_processes):
        for name, plan in MESHES[num_processes].items():
            train_on(plan, path / name, steps_of(NUM_STEPS))
        for name, plan in AGAIN if num_processes == 4 else ():
            save_again(plan, path / name, path / f"{name}, again")


def assert_like_one(path: Path, num_processes: int) -> None:
    for name, plan in MESHES[num_processes].items():
        expected = losses_of_one(num_layers(plan))
        found = losses_in(path / name) + evaluation_losses_in(path / name)
        assert found == pytest.approx(expected, abs=TOLERANCE, rel=0), name


@pytest.mark.slow
@pytest.mark.parametrize("num_processes", [2, 16])
def test_every_mesh_has_the_losses_of_one_process(num_processes: int, tmp_path: Path) -> None:
    start_world(num_processes, train_on_all, num_processes, tmp_path)
    assert_like_one(tmp_path, num_processes)


@pytest.mark.slow
def test_pairs_have_the_losses_of_one_process_and_their_checkpoints_serve_other_meshes(
    tmp_path: Path,
) -> None:
    start_world(4, train_on_all, 4, tmp_path)
    assert_like_one(tmp_path, 4)
    num_weights = len(whole_model().state_dict())
    for name, _ in AGAIN:
        saved, again = tensors_in(tmp_path / name), tensors_in(tmp_path / f"{name}, again")
        assert set(saved) == set(again) and len(saved) == 3 * num_weights
        for tensor, value in saved.items():
            assert value.abs().sum() > 0, (name, tensor)
            assert torch.equal(value, again[tensor]), (name, tensor)
