"""The formulas of memory against bytes that real meshes hold."""

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.distributed.tensor import DTensor

from pretrain import memory
from pretrain.loop import make_optimizer
from pretrain.memory import (
    Precision,
    input_bytes,
    layer_bytes,
    mask_bytes,
    num_weights,
    outside_bytes,
    rank_memory,
)
from pretrain.model import num_parameters
from pretrain.packed import head
from pretrain.parallel.mesh import make_mesh
from pretrain.parallel.plan import ParallelPlan, layers_of_stages
from pretrain.parallel.stage import make_stage
from pretrain.processes import process_group
from pretrain.recipe import ModelRecipe
from pretrain.stream import TokenStream
from tests.pretrain.parallel.worlds import VOCABULARY, loop_config, start_world, stream, whole_model

SHAPE = ModelRecipe(num_layers=2, hidden_size=32, head_size=8, num_kv_heads=2, intermediate_size=96)
"""The shape of `whole_model`."""
LENGTH = 600
"""Long enough for the attention that long rows take."""


def test_the_number_of_weights_is_the_model_s() -> None:
    assert num_weights(SHAPE, VOCABULARY) == num_parameters(whole_model())


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_activations_are_the_bytes_that_autograd_keeps(precision: Precision) -> None:
    with process_group(1):
        kept = {num: bytes_kept(ParallelPlan(), num, precision) / LENGTH for num in (2, 3)}
    plan = ParallelPlan()
    layer = layer_bytes(SHAPE, plan, precision) + mask_bytes(plan, LENGTH, precision)
    assert kept[3] - kept[2] == pytest.approx(layer, rel=1e-3)
    # Beside them: ids, targets and the rotation, a few bytes a token.
    outside = outside_bytes(SHAPE, VOCABULARY, plan, precision, LENGTH)
    assert outside <= kept[2] - 2 * layer <= outside + 100


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_of_layers_computed_again_what_goes_in_is_kept(precision: Precision) -> None:
    plan = ParallelPlan(recompute_activations=True)
    with process_group(1):
        kept = {num: bytes_kept(plan, num, precision) / LENGTH for num in (2, 5)}
    assert kept[5] - kept[2] == pytest.approx(3 * input_bytes(SHAPE, plan), rel=1e-3)
    planned = rank_memory(SHAPE, VOCABULARY, plan, 0, num_rows=1, length=LENGTH, precision=precision)
    again = layer_bytes(SHAPE, plan, precision)
    outside = outside_bytes(SHAPE, VOCABULARY, plan, precision, LENGTH)
    inputs = SHAPE.num_layers * input_bytes(SHAPE, plan)
    assert planned.activations == pytest.approx(LENGTH * (inputs + max(again, outside)))
    all_kept = rank_memory(
        SHAPE, VOCABULARY, ParallelPlan(), 0, num_rows=1, length=LENGTH, precision=precision
    )
    assert planned.total < all_kept.total


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_of_a_large_vocabulary_no_probabilities_are_kept(
    precision: Precision, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (memory, head):
        monkeypatch.setattr(module, "KEPT_LOGITS", LENGTH * VOCABULARY - 1)
    plan = ParallelPlan()
    with process_group(1):
        kept = bytes_kept(plan, 2, precision) / LENGTH
    layer = layer_bytes(SHAPE, plan, precision) + mask_bytes(plan, LENGTH, precision)
    outside = outside_bytes(SHAPE, VOCABULARY, plan, precision, LENGTH)
    assert outside < 10 * SHAPE.hidden_size + 4 * SHAPE.hidden_size
    assert outside <= kept - 2 * layer <= outside + 100


def bytes_kept(plan: ParallelPlan, num_layers: int, precision: Precision) -> int:
    """Of the forward pass of one row: every storage that is no weight, once."""
    stage = make_stage(whole_model(num_layers), range(num_layers), make_mesh(plan))
    rows = TokenStream([[5] * LENGTH, [2]], seed=0).rows(0, 1, LENGTH)
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with (
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
        torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"),
    ):
        stage(rows.input_ids_RT, **rows.keywords())
    # Weights, and what autocast made of them, have no dimension of the row's length.
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values() if LENGTH in tensor.shape)


def test_shards_of_weights_gradients_and_moments_are_as_planned(tmp_path: Path) -> None:
    plan = ParallelPlan(tensor=2, pipeline=1, data=2, rows_per_microbatch=4)
    start_world(plan.num_processes, tell_bytes, plan, tmp_path)
    told = json.loads((tmp_path / "bytes.json").read_text())
    planned = rank_memory(SHAPE, VOCABULARY, plan, 0, num_rows=8, length=32, precision="fp32")
    (layers,) = layers_of_stages(SHAPE.num_layers, 1)
    whole = 4 * (num_weights(SHAPE, VOCABULARY) + (2 * len(layers) + 1) * 32) // 2  # norms are not cut
    assert told["weights"] + whole == pytest.approx(planned.parameters, rel=1e-3)
    assert told["gradients"] == told["weights"] == pytest.approx(planned.gradients, rel=1e-3)
    assert told["moments"] == pytest.approx(planned.optimizer, rel=1e-3)


def tell_bytes(plan: ParallelPlan, folder: Path) -> None:
    """In each process of the mesh: take a step, and let the first tell what it holds."""
    with process_group(plan.num_processes):
        mesh = make_mesh(plan)
        stage = make_stage(whole_model(), range(SHAPE.num_layers), mesh)
        optimizer = make_optimizer(stage, loop_config(1))
        rows = stream().rows(0, 4, 32)
        from torch.distributed.tensor.parallel import loss_parallel

        with loss_parallel():
            stage(rows.input_ids_RT, **rows.keywords()).backward()
        gradients = sum(held(weight.grad) for weight in stage.parameters())
        optimizer.step()
        weights = sum(held(weight) for weight in stage.parameters())
        moments = sum(
            held(value)
            for state in optimizer.state.values()
            for name, value in state.items()
            if name.startswith("exp_avg")
        )
        if torch.distributed.get_rank() == 0:
            told = {"weights": weights, "gradients": gradients, "moments": moments}
            (folder / "bytes.json").write_text(json.dumps(told))


def held(tensor: Tensor) -> int:
    """Bytes of the part in this process."""
    part = tensor.to_local() if isinstance(tensor, DTensor) else tensor
    return part.numel() * part.element_size()
