"""Context parallelism: the tokens of a row over several processes, keys and values gathered in each layer.

Comes in: a row cut into 2 · CP chunks, of which each process holds one from the front and its mirror image
from the back, so that causal attention gives all of them equal work. Goes out: attention over the whole row,
as a function that transformers' models call (Llama 3, section 3.3.2). Keys and values are few where heads
share them, so gathering them costs little beside the attention itself.

Shapes: B rows, H query heads, K key-value heads, T tokens of a row in this process, C tokens of a chunk,
S = tokens of the whole row, D head size, N processes of the context group.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.modeling_utils import AttentionInterface

CONTEXT_ATTENTION = "accord_context"


@dataclass(frozen=True)
class Visible:
    """What the tokens of this process may see, the same for all layers.

    Masks are built by each layer anew: kept, they would be by far the largest part of long rows.
    """

    starts_BT: Tensor
    """The place in its row at which a token's document starts."""
    chunks: tuple[range, ...]
    """The places of this process's tokens in the row, in their order."""
    group: dist.ProcessGroup | None
    """Who holds the rest of the rows; None where this process has them whole."""

    def masks(self) -> Iterator[Tensor]:
        """For each chunk (B, 1, C, tokens up to the chunk's end): True where it may look."""
        sizes = [len(chunk) for chunk in self.chunks]
        for chunk, starts_BC in zip(self.chunks, self.starts_BT.split(sizes, 1), strict=True):
            keys_S = torch.arange(chunk.stop, device=starts_BC.device)
            own_C1 = torch.arange(chunk.start, chunk.stop, device=starts_BC.device)[:, None]
            yield ((keys_S <= own_C1) & (keys_S >= starts_BC[:, :, None]))[:, None]


def own_tokens(length: int, num_processes: int, rank: int) -> Tensor:
    """The places in a row of `length` tokens that process `rank` holds, in their order there (T)."""
    return torch.cat(
        [torch.arange(part.start, part.stop) for part in own_chunks(length, num_processes, rank)]
    )


def own_chunks(length: int, num_processes: int, rank: int) -> list[range]:
    """The chunks of a row that process `rank` holds: one from the front, its mirror from the back."""
    if num_processes == 1:
        return [range(length)]
    size = length // (2 * num_processes)
    return [range(place * size, (place + 1) * size) for place in (rank, 2 * num_processes - 1 - rank)]


def use_context_attention(model: nn.Module) -> None:
    """Let `model` attend through this module; its layers want `visible` as a keyword."""
    AttentionInterface.register(CONTEXT_ATTENTION, context_attention)
    model.config._attn_implementation = CONTEXT_ATTENTION


def context_attention(
    module: nn.Module,
    query_BHTD: Tensor,
    key_BKTD: Tensor,
    value_BKTD: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    *,
    visible: Visible,
    **rest: Any,  # Any: what other attention functions may want
) -> tuple[Tensor, None]:
    """The attention function: (B, T, H, D). Chunk by chunk, each with the keys up to its own end."""
    assert attention_mask is None
    key_BKSD, value_BKSD = key_BKTD, value_BKTD
    if visible.group is not None:
        key_BKSD, value_BKSD = gather_row(torch.stack([key_BKTD, value_BKTD]), visible.group)
    outputs = []
    sizes = [len(chunk) for chunk in visible.chunks]
    for mask_B1CS, query_BHCD in zip(visible.masks(), query_BHTD.split(sizes, 2), strict=True):
        end = mask_B1CS.shape[3]
        output_BCHD, _ = sdpa_attention_forward(
            module, query_BHCD, key_BKSD[:, :, :end], value_BKSD[:, :, :end], mask_B1CS, dropout, scaling
        )
        outputs.append(output_BCHD)
    return torch.cat(outputs, 1), None


def gather_row(both_2BKTD: Tensor, group: dist.ProcessGroup) -> tuple[Tensor, Tensor]:
    """Keys and values of the whole rows in the order of their tokens: (B, K, S, D) each."""
    parts_N2BKTD: Tensor = GatheredParts.apply(both_2BKTD, group)
    front, back = parts_N2BKTD.chunk(2, dim=-2)
    key, value = torch.cat([*front.unbind(), *reversed(back.unbind())], dim=-2).unbind()
    return key, value


class GatheredParts(torch.autograd.Function):
    """Each process's tensor in all of them; backward, the sum of all their gradients for it."""

    @staticmethod
    def forward(ctx: FunctionCtx, own: Tensor, group: dist.ProcessGroup) -> Tensor:
        """(N, *own.shape)."""
        ctx.group = group
        parts = own.new_empty((group.size(), *own.shape))
        dist.all_gather_single(parts.flatten(0, 1), own.contiguous(), group=group)
        return parts

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_parts: Tensor) -> tuple[Tensor, None]:  # Any: see torch
        """The sum over the processes."""
        grad = grad_parts.new_empty(grad_parts.shape[1:])
        dist.reduce_scatter_single(grad, grad_parts.contiguous().flatten(0, 1), group=ctx.group)
        return grad, None
