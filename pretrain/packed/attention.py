"""Attention of rows that lie one after another in a single sequence, with no padding between them.

Comes in: queries, keys and values as transformers' models hand them to an attention function, and a plan of
who sees whom. Goes out: softmax attention under that plan, exactly. Only blocks of the score matrix that
some query may see are computed, as whole matrix products: on CPU that is faster than torch's fused kernel
under a mask, and in bf16 it lets the matrix units work. Models ask for it by name, through the registry of
attention functions that transformers offers.

Legend: H query heads, K key-value heads (G = H / K query heads share one), N tokens of the sequence,
M of them that ask, D head size, B rows, Q queries and T keys of a row in a padded batch.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.modeling_utils import AttentionInterface

from pretrain.packed.layers import use_planned_layers
from pretrain.packed.plan import AttentionPlan, Segment, ShortRows
from pretrain.run import ProgramError

PLANNED_ATTENTION = "accord_planned"
FORBIDDEN = -1e30
"""Added to scores that nobody may see. Not -inf: a place of padding, which sees nothing, stays finite."""
KEPT_PROBABILITIES = 1 << 24
"""Probabilities of one layer that are kept for the backward pass; beyond, they are computed again."""
BLOCK_QUERIES = 128
"""Queries of a segment that are computed together: more would compute scores that nobody may see."""


def use_planned_attention(model: nn.Module) -> None:
    """Let `model` attend by the plan it is called with (`plan=…`), and causally without one.

    With `read=…` as well, the last layer of a model of a known family is computed only where it is read.
    """
    AttentionInterface.register(PLANNED_ATTENTION, planned_attention)
    model.set_attn_implementation(PLANNED_ATTENTION)
    # A head put on another model's layers has a configuration of its own, and the layers keep theirs.
    model.base_model.set_attn_implementation(PLANNED_ATTENTION)
    use_planned_layers(model)


def attends_by_plan(model: nn.Module) -> bool:
    """Whether the model's layers heed the plan they are called with."""
    return bool(model.base_model.config._attn_implementation == PLANNED_ATTENTION)


def planned_attention(
    module: nn.Module,
    query_1HMD: Tensor,
    key_1KND: Tensor,
    value_1KND: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    plan: AttentionPlan | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    **rest: Any,  # Any: what other attention functions may want
) -> tuple[Tensor, None]:
    """The attention function: (1, M, H, D). Without a plan, torch's own kernel.

    Raises ProgramError for what the plan cannot express.
    """
    if plan is None:
        output_1NHD, _ = sdpa_attention_forward(
            module,
            query_1HMD,
            key_1KND,
            value_1KND,
            attention_mask,
            dropout,
            scaling,
            sliding_window=sliding_window,
            **rest,
        )
        return output_1NHD, None
    if sliding_window is not None and plan.longest >= sliding_window:
        raise ProgramError(
            f"This model sees {sliding_window} tokens back, and an example has {plan.longest + 1}: "
            f"set max_row_tokens to {sliding_window} or less."
        )
    if softcap is not None or dropout or rest.get("s_aux") is not None:
        raise ProgramError(
            f"{type(module).__name__} caps its scores, drops some or keeps a sink, which shared rows do not "
            "take: use a base of the Llama, Mistral or Qwen family, with attention_dropout 0."
        )
    scale = scaling if scaling is not None else query_1HMD.shape[-1] ** -0.5
    # Norms of queries and keys leave autocast's precision; values keep it.
    query_HMD, key_KND = query_1HMD[0].to(value_1KND.dtype), key_1KND[0].to(value_1KND.dtype)
    output_HMD: Tensor = PlannedAttention.apply(query_HMD, key_KND, value_1KND[0], plan, scale)
    return output_HMD.transpose(0, 1)[None], None


class PlannedAttention(torch.autograd.Function):
    """softmax(scale · Q Kᵀ, under the plan) V for (H, M, D), (K, N, D), (K, N, D).

    Inside, queries lie as (K, M, G, D): for any block, those of the heads that share keys are one matrix.
    """

    @staticmethod
    def forward(
        ctx: FunctionCtx,
        query_HMD: Tensor,
        key_KND: Tensor,
        value_KND: Tensor,
        plan: AttentionPlan,
        scale: float,
    ) -> Tensor:
        """The attended values (H, M, D)."""
        key_KND, value_KND = key_KND.contiguous(), value_KND.contiguous()
        query_KMGD = grouped(query_HMD, key_KND.shape[0]).mul_(scale)
        output_KMGD = torch.empty_like(query_KMGD)
        parts = parts_of(plan, query_KMGD)
        kept: list[Tensor] = []
        num_kept = 0
        with torch.autocast(query_HMD.device.type, enabled=False):  # which would take softmax to fp32
            for part in parts:
                probabilities = part.probabilities(query_KMGD, key_KND)
                part.put(output_KMGD, torch.bmm(probabilities, part.seen(value_KND)))
                num_kept += probabilities.numel()
                if num_kept <= KEPT_PROBABILITIES:
                    kept.append(probabilities)
        ctx.save_for_backward(query_KMGD, key_KND, value_KND, *kept)
        ctx.parts = parts
        ctx.scale = scale
        return output_KMGD.transpose(1, 2).flatten(0, 1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_HMD: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:  # Any: see torch
        """The gradients of queries, keys and values."""
        query_KMGD, key_KND, value_KND, *kept = ctx.saved_tensors
        grad_KMGD = grouped(grad_HMD.to(value_KND.dtype), key_KND.shape[0])
        grad_query = torch.empty_like(query_KMGD)
        grad_key, grad_value = torch.zeros_like(key_KND), torch.zeros_like(value_KND)
        for index, part in enumerate(ctx.parts):
            probabilities = kept[index] if index < len(kept) else part.probabilities(query_KMGD, key_KND)
            grad = part.take(grad_KMGD)
            part.add_seen(grad_value, probabilities, grad)
            grad_probabilities = torch.bmm(grad, part.seen(value_KND).transpose(1, 2))
            grad_scores = torch.ops.aten._softmax_backward_data(
                grad_probabilities, probabilities, -1, probabilities.dtype
            )
            part.put(grad_query, torch.bmm(grad_scores, part.seen(key_KND)))
            part.add_seen(grad_key, grad_scores, part.take(query_KMGD))
        grad_query_HMD = grad_query.mul_(ctx.scale).transpose(1, 2).flatten(0, 1)
        return grad_query_HMD, grad_key, grad_value, None, None


def grouped(values_HMD: Tensor, num_groups: int) -> Tensor:
    """A copy as (K, M, G, D)."""
    return (
        values_HMD.unflatten(0, (num_groups, -1)).transpose(1, 2).clone(memory_format=torch.contiguous_format)
    )


def parts_of(plan: AttentionPlan, query_KMGD: Tensor) -> "list[BlockPart | ShortPart]":
    """What the plan is computed in."""
    ahead_QQ = query_KMGD.new_full((BLOCK_QUERIES, BLOCK_QUERIES), FORBIDDEN).triu_(1)
    blocks: list[BlockPart | ShortPart] = [
        BlockPart(segment, first, min(first + BLOCK_QUERIES, segment.after), ahead_QQ)
        for segment in plan.segments
        for first in range(segment.first, segment.after, BLOCK_QUERIES)
    ]
    return [*blocks, *map(ShortPart, plan.short_rows)]


class BlockPart:
    """Queries [first, after) of a segment: takes (K, Q·G, D) of queries, and (K, S, D) of keys or values."""

    def __init__(self, segment: Segment, first: int, after: int, ahead_QQ: Tensor) -> None:
        self._first, self._after = first, after
        self._shared = slice(segment.shared_first, segment.shared_after)
        self._own = slice(segment.own_first, segment.own_after - (segment.after - after))
        self._all = (
            slice(self._shared.start, self._own.stop) if self._shared.stop == self._own.start else None
        )
        num_queries = after - first
        self._ahead_QQ = ahead_QQ[:num_queries, :num_queries]

    def take(self, values_KMGD: Tensor) -> Tensor:
        """The queries' values, those of heads that share keys in one matrix."""
        return values_KMGD[:, self._first : self._after].flatten(1, 2)

    def put(self, out_KMGD: Tensor, values: Tensor) -> None:
        """Write what `take` reads."""
        out_KMGD[:, self._first : self._after] = values.unflatten(1, (-1, out_KMGD.shape[2]))

    def seen(self, values_KND: Tensor) -> Tensor:
        """The values of the tokens seen."""
        if self._all is not None:
            return values_KND[:, self._all]
        return torch.cat([values_KND[:, self._shared], values_KND[:, self._own]], 1)

    def add_seen(self, out_KND: Tensor, weights: Tensor, values: Tensor) -> None:
        """Add the queries' values to the tokens seen, by their weights (K, Q·G, S)."""
        if self._all is not None:
            out_KND[:, self._all].baddbmm_(weights.transpose(1, 2), values)
            return
        num_shared = self._shared.stop - self._shared.start
        added = torch.bmm(weights.transpose(1, 2), values)
        out_KND[:, self._shared] += added[:, :num_shared]
        out_KND[:, self._own] += added[:, num_shared:]

    def probabilities(self, query_KMGD: Tensor, key_KND: Tensor) -> Tensor:
        """Who looks where (K, Q·G, S): the last Q of the keys are the queries' own tokens."""
        num_queries, num_shared = self._after - self._first, query_KMGD.shape[2]
        scores = torch.bmm(self.take(query_KMGD), self.seen(key_KND).transpose(1, 2))
        scores.unflatten(1, (-1, num_shared))[..., -num_queries:].add_(self._ahead_QQ[:, None])
        return scores.softmax(-1)


class ShortPart:
    """Short rows: takes (K·B, Q·G, D) of queries, and (K·B, T, D) of keys or values."""

    def __init__(self, rows: ShortRows) -> None:
        self._rows = rows
        self._num_rows, self._num_queries, self._num_keys = rows.allowed_BQT.shape
        self._after = rows.first + len(rows.padded_queries)
        self._key_after = rows.key_first + len(rows.padded_keys)

    def take(self, values_KMGD: Tensor) -> Tensor:
        """The queries' values, padded."""
        return values_KMGD[:, self._rows.queries_BQ].flatten(2, 3).flatten(0, 1)

    def put(self, out_KMGD: Tensor, values: Tensor) -> None:
        """Write what `take` reads, without the padding."""
        num_groups, _, num_shared, _ = out_KMGD.shape
        padded = values.view(num_groups, self._num_rows * self._num_queries, num_shared, -1)
        out_KMGD[:, self._rows.first : self._after] = padded[:, self._rows.padded_queries]

    def seen(self, values_KND: Tensor) -> Tensor:
        """The values of each row's tokens, padded."""
        return values_KND[:, self._rows.keys_BT].flatten(0, 1)

    def add_seen(self, out_KND: Tensor, weights: Tensor, values: Tensor) -> None:
        """Add the queries' values to each row's tokens, by their weights (K·B, Q·G, T)."""
        added = torch.bmm(weights.transpose(1, 2), values)
        flat = added.view(out_KND.shape[0], self._num_rows * self._num_keys, -1)
        out_KND[:, self._rows.key_first : self._key_after] += flat[:, self._rows.padded_keys]

    def probabilities(self, query_KMGD: Tensor, key_KND: Tensor) -> Tensor:
        """Who looks where (K·B, Q·G, T)."""
        scores = torch.bmm(self.take(query_KMGD), self.seen(key_KND).transpose(1, 2))
        bias_BQT = torch.zeros_like(self._rows.allowed_BQT, dtype=scores.dtype)
        bias_BQT.masked_fill_(~self._rows.allowed_BQT, FORBIDDEN)
        shape = (-1, self._num_rows, self._num_queries, query_KMGD.shape[2], self._num_keys)
        scores.view(shape).add_(bias_BQT[None, :, :, None])
        probabilities = scores.softmax(-1)
        # Padding would look everywhere, and hand on the gradient of the place that it stands for.
        looks_BQ = self._rows.allowed_BQT.any(-1)
        probabilities.view(shape).mul_(looks_BQ[None, :, :, None, None])
        return probabilities
