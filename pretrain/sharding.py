"""One model over several processes: FSDP2 gives each a part of every weight, its gradient and its optimizer
state, and gathers a layer's weights while the layer runs.

Comes in: a transformers model, whole on the CPU of each process. Goes out: a ShardedModel, its weights whole
again where a file is written, and their parts where one is read. Everything here also takes a model that
is not sharded, as one process trains it, and leaves it as it is.

(Zhao et al. 2023, "PyTorch FSDP".)
"""

import copy
from collections.abc import Callable, Iterator
from typing import Any, Concatenate, ParamSpec, TypeVar

import torch
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from pretrain.processes import is_first

ParamsT = ParamSpec("ParamsT")
ResultT = TypeVar("ResultT")


class ShardedModel(nn.Module):
    """A model whose weights lie in parts in all processes.

    Its forward pass runs a function of the model, which may use any weight as if it were whole: losses read
    the LM head without calling it. Gradients are added up over the processes, not averaged, because a loss
    is a share of the whole step's.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.skeleton = [skeleton_of(model)]  # in a list, or its weights would count as this module's
        self.model = model
        summed_in_fp32 = MixedPrecisionPolicy(reduce_dtype=torch.float32)
        for module in model.modules():
            if type(module).__name__ in (model._no_split_modules or ()):
                fully_shard(module, mp_policy=summed_in_fp32)
        fully_shard(self, mp_policy=summed_in_fp32, reshard_after_forward=False)
        for part in self.modules():
            if isinstance(part, FSDPModule):
                part.set_force_sum_reduction_for_comms(True)
                part.set_gradient_divide_factor(1.0)

    def forward(
        self,
        function: Callable[Concatenate[nn.Module, ParamsT], ResultT],
        *arguments: ParamsT.args,
        **options: ParamsT.kwargs,
    ) -> ResultT:
        """`function(model, …)`. All processes must call it, with functions that run the same layers."""
        return function(self.model, *arguments, **options)


def skeleton_of(model: nn.Module) -> nn.Module:
    """A copy of the model without its weights, tied ones still tied."""
    weights = {
        id(weight): nn.Parameter(torch.empty_like(weight, device="meta"), weight.requires_grad)
        for weight in model.parameters()
    }
    return copy.deepcopy(model, weights)


def call(
    model: nn.Module,
    function: Callable[Concatenate[nn.Module, ParamsT], ResultT],
    *arguments: ParamsT.args,
    **options: ParamsT.kwargs,
) -> ResultT:
    """`function(model, …)`, inside the model's forward pass where it is sharded."""
    if not isinstance(model, ShardedModel):
        return function(model, *arguments, **options)
    result: ResultT = model(function, *arguments, **options)
    return result


def weights_of(model: nn.Module) -> dict[str, Tensor]:
    """The model's state by the names that it has in one process; sharded tensors where it is sharded."""
    if not isinstance(model, ShardedModel):
        return model.state_dict()
    reshard(model)
    return model.model.state_dict()


def reshard(model: nn.Module) -> None:
    """Let go of the whole weights that forward passes without a backward pass leave behind."""
    if isinstance(model, ShardedModel):
        for part in model.modules():
            if isinstance(part, FSDPModule):
                part.reshard()


def whole_weights(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Each tensor of the model's state, whole, one at a time. All processes must go through all of them."""
    for name, weight in weights_of(model).items():
        yield name, weight.full_tensor() if isinstance(weight, DTensor) else weight


def gathered(state: Any) -> Any:  # Any: nested dictionaries and lists of tensors and plain values
    """`state` with its sharded tensors whole on the CPU of the first process, and None in the others."""
    if isinstance(state, DTensor):
        whole = state.full_tensor()
        return whole.cpu() if is_first() else None
    if isinstance(state, dict):
        return {name: gathered(value) for name, value in state.items()}
    if isinstance(state, list):
        return [gathered(value) for value in state]
    return state


def part_like(whole: Tensor, own: Tensor) -> Tensor:
    """A tensor sharded as `own` of the same shape is: itself where that is whole."""
    if not isinstance(own, DTensor):
        return whole
    # Every process has the whole and takes its part of it: nothing is sent.
    return distribute_tensor(whole.to(own.device), own.device_mesh, own.placements, src_data_rank=None)


def load_weights(model: nn.Module, weights: dict[str, Tensor]) -> None:
    """Put whole weights, by the names of `weights_of`, into the model."""
    own = weights_of(model)
    target = model.model if isinstance(model, ShardedModel) else model
    target.load_state_dict({name: part_like(weight, own[name]) for name, weight in weights.items()})


def load_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:  # Any: torch's own
    """Put the whole state of an optimizer into this one, whose weights may be sharded."""
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    parts = {
        index: {
            name: part_like(value, weights[index]) if value.shape == weights[index].shape else value
            for name, value in values.items()
        }
        for index, values in state["state"].items()
    }
    optimizer.load_state_dict({**state, "state": parts})


def whole_model(model: nn.Module) -> nn.Module | None:
    """The model in one piece, on the CPU where it was sharded; None in all processes but the first."""
    if not isinstance(model, ShardedModel):
        return model
    weights = gathered(weights_of(model))
    if not is_first():
        return None
    (skeleton,) = model.skeleton
    skeleton.load_state_dict(weights, assign=True)
    return skeleton


def total_norm(gradients: list[Tensor]) -> Tensor:
    """The norm over all gradients, whole or sharded."""
    norm = nn.utils.get_total_norm(gradients)
    return norm.full_tensor() if isinstance(norm, DTensor) else norm


def clip(gradients: list[Tensor], max_norm: float, norm: Tensor) -> None:
    """Scale gradients of this norm down to `max_norm`, as `torch.nn.utils` does."""
    scale = (max_norm / (norm + 1e-6)).clamp(max=1.0)
    for gradient in gradients:
        local_part(gradient).mul_(scale)


def local_part(tensor: Tensor) -> Tensor:
    """What of a tensor lies in this process. Work on parts spares the dispatch of sharded tensors."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor
