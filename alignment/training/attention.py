"""Attention of rows that lie one after another in a single sequence, with no padding between them.

Comes in: queries, keys and values as transformers' models hand them to an attention function, and a plan of
who sees whom. Goes out: softmax attention under that plan, exactly. Only blocks of the score matrix that
some query may see are computed, as whole matrix products: on CPU that is faster than torch's fused kernel
under a mask, and in bf16 it lets the matrix units work. Models ask for it by name, through the registry of
attention functions that transformers offers.

Legend: H query heads, K key-value heads (G = H / K query heads share one), N tokens of the sequence,
D head size, B rows and T places of a padded batch, Q queries and S keys of a block.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.modeling_utils import AttentionInterface

from pretrain.run import ProgramError

PLANNED_ATTENTION = "accord_planned"
FORBIDDEN = -1e30
"""Added to scores that nobody may see. Not -inf: a place of padding, which sees nothing, stays finite."""
KEPT_PROBABILITIES = 1 << 24
"""Probabilities of one layer that are kept for the backward pass; beyond, they are computed again."""


@dataclass(frozen=True, kw_only=True)
class QueryBlock:
    """Queries at [first, after), and what they see: all of [shared_first, shared_after), and from
    `own_first` on whatever is not ahead of them."""

    first: int
    after: int
    shared_first: int
    shared_after: int
    own_first: int


@dataclass(frozen=True, kw_only=True)
class ShortRows:
    """Rows so short that attending to them together, padded, costs less than one by one."""

    first: int
    """Where in N they start: one after another."""
    places_BT: Tensor
    """The place in N of each token; `first` where there is padding."""
    padded_places: Tensor
    """The place in the flattened (B, T) of each of their tokens, in the order of N."""
    allowed_BTT: Tensor
    """True where a token (second axis) sees another (third axis): nowhere for padding."""


@dataclass(frozen=True, kw_only=True)
class AttentionPlan:
    """Who sees whom: every token of the sequence is in one block or in one of the short rows."""

    blocks: tuple[QueryBlock, ...]
    short_rows: tuple[ShortRows, ...]
    longest: int
    """The longest distance, in positions, at which a token sees another."""


def use_planned_attention(model: nn.Module) -> None:
    """Let `model` attend by the plan it is called with (`plan=…`), and causally without one."""
    AttentionInterface.register(PLANNED_ATTENTION, planned_attention)
    model.set_attn_implementation(PLANNED_ATTENTION)
    # A head put on another model's layers has a configuration of its own, and the layers keep theirs.
    model.base_model.set_attn_implementation(PLANNED_ATTENTION)


def planned_attention(
    module: nn.Module,
    query_1HND: Tensor,
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
    """The attention function: (1, N, H, D). Without a plan, torch's own kernel.

    Raises ProgramError for what the plan cannot express.
    """
    if plan is None:
        output_1NHD, _ = sdpa_attention_forward(
            module,
            query_1HND,
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
    scale = scaling if scaling is not None else query_1HND.shape[-1] ** -0.5
    # Norms of queries and keys leave autocast's precision; values keep it.
    query_HND, key_KND = query_1HND[0].to(value_1KND.dtype), key_1KND[0].to(value_1KND.dtype)
    output_HND: Tensor = PlannedAttention.apply(query_HND, key_KND, value_1KND[0], plan, scale)
    return output_HND.transpose(0, 1)[None], None


class PlannedAttention(torch.autograd.Function):
    """softmax(scale · Q Kᵀ, under the plan) V for (H, N, D), (K, N, D), (K, N, D)."""

    @staticmethod
    def forward(
        ctx: FunctionCtx,
        query_HND: Tensor,
        key_KND: Tensor,
        value_KND: Tensor,
        plan: AttentionPlan,
        scale: float,
    ) -> Tensor:
        """The attended values (H, N, D)."""
        parts = parts_of(plan)
        query_KGND = (query_HND * scale).unflatten(0, (key_KND.shape[0], -1))
        output_KGND = torch.empty_like(query_KGND)
        kept: list[Tensor] = []
        num_kept = 0
        with torch.autocast(query_HND.device.type, enabled=False):  # which would take softmax to fp32
            for part in parts:
                probabilities = part.probabilities(query_KGND, key_KND)
                part.put(output_KGND, torch.bmm(probabilities, part.seen(value_KND)))
                num_kept += probabilities.numel()
                if num_kept <= KEPT_PROBABILITIES:
                    kept.append(probabilities)
        ctx.save_for_backward(query_KGND, key_KND, value_KND, *kept)
        ctx.parts = parts
        ctx.scale = scale
        return output_KGND.flatten(0, 1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_HND: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:  # Any: see torch
        """The gradients of queries, keys and values."""
        query_KGND, key_KND, value_KND, *kept = ctx.saved_tensors
        grad_KGND = grad_HND.to(value_KND.dtype).reshape(query_KGND.shape)
        grad_query = torch.empty_like(query_KGND)
        grad_key, grad_value = torch.zeros_like(key_KND), torch.zeros_like(value_KND)
        for index, part in enumerate(ctx.parts):
            probabilities = kept[index] if index < len(kept) else part.probabilities(query_KGND, key_KND)
            grad = part.take(grad_KGND)
            part.add_seen(grad_value, probabilities, grad)
            grad_probabilities = torch.bmm(grad, part.seen(value_KND).transpose(1, 2))
            grad_scores = torch.ops.aten._softmax_backward_data(
                grad_probabilities, probabilities, -1, probabilities.dtype
            )
            part.put(grad_query, torch.bmm(grad_scores, part.seen(key_KND)))
            part.add_seen(grad_key, grad_scores, part.take(query_KGND))
        return grad_query.mul_(ctx.scale).flatten(0, 1), grad_key, grad_value, None, None


def parts_of(plan: AttentionPlan) -> "list[BlockPart | ShortPart]":
    """What the plan is computed in."""
    return [*map(BlockPart, plan.blocks), *map(ShortPart, plan.short_rows)]


class BlockPart:
    """A query block: takes (K, G·Q, D) of queries, and (K, S, D) of keys or values."""

    def __init__(self, block: QueryBlock) -> None:
        self._block = block
        self._is_contiguous = block.shared_after == block.own_first

    def take(self, values_KGND: Tensor) -> Tensor:
        """The queries' values, those of heads that share keys stacked."""
        return values_KGND[:, :, self._block.first : self._block.after].flatten(1, 2)

    def put(self, out_KGND: Tensor, values: Tensor) -> None:
        """Write what `take` reads."""
        block = self._block
        out_KGND[:, :, block.first : block.after] = values.unflatten(1, (out_KGND.shape[1], -1))

    def seen(self, values_KND: Tensor) -> Tensor:
        """The values of the tokens seen."""
        block = self._block
        if self._is_contiguous:
            return values_KND[:, block.shared_first : block.after]
        shared = values_KND[:, block.shared_first : block.shared_after]
        return torch.cat([shared, values_KND[:, block.own_first : block.after]], 1)

    def add_seen(self, out_KND: Tensor, weights: Tensor, values: Tensor) -> None:
        """Add the queries' values to the tokens seen, by their weights (K, G·Q, S)."""
        block = self._block
        if self._is_contiguous:
            out_KND[:, block.shared_first : block.after].baddbmm_(weights.transpose(1, 2), values)
            return
        to_shared, to_own = weights.transpose(1, 2).split(
            [block.shared_after - block.shared_first, block.after - block.own_first], 1
        )
        out_KND[:, block.shared_first : block.shared_after].baddbmm_(to_shared, values)
        out_KND[:, block.own_first : block.after].baddbmm_(to_own, values)

    def probabilities(self, query_KGND: Tensor, key_KND: Tensor) -> Tensor:
        """Who looks where (K, G·Q, S): the last Q of the keys are the queries' own tokens."""
        num_queries = self._block.after - self._block.first
        scores = torch.bmm(self.take(query_KGND), self.seen(key_KND).transpose(1, 2))
        ahead_QQ = scores.new_full((num_queries, num_queries), FORBIDDEN).triu_(1)
        scores.unflatten(1, (-1, num_queries))[..., -num_queries:].add_(ahead_QQ)
        return scores.softmax(-1)


class ShortPart:
    """Short rows: takes (K·B, G·T, D) of queries, and (K·B, T, D) of keys or values."""

    def __init__(self, rows: ShortRows) -> None:
        self._rows = rows
        self._num_rows, self._width = rows.places_BT.shape
        self._after = rows.first + len(rows.padded_places)

    def take(self, values_KGND: Tensor) -> Tensor:
        """The queries' values, padded."""
        num_groups, num_shared = values_KGND.shape[:2]
        padded = values_KGND[:, :, self._rows.places_BT]  # (K, G, B, T, D)
        return padded.transpose(1, 2).reshape(
            num_groups * self._num_rows, num_shared * self._width, values_KGND.shape[-1]
        )

    def put(self, out_KGND: Tensor, values: Tensor) -> None:
        """Write what `take` reads, without the padding."""
        num_groups, num_shared = out_KGND.shape[:2]
        padded = values.view(num_groups, self._num_rows, num_shared, self._width, -1)
        flat = padded.transpose(1, 2).flatten(2, 3)
        out_KGND[:, :, self._rows.first : self._after] = flat[:, :, self._rows.padded_places]

    def seen(self, values_KND: Tensor) -> Tensor:
        """The values of each row's tokens, padded."""
        return values_KND[:, self._rows.places_BT].flatten(0, 1)

    def add_seen(self, out_KND: Tensor, weights: Tensor, values: Tensor) -> None:
        """Add the queries' values to each row's tokens, by their weights (K·B, G·T, T)."""
        added = torch.bmm(weights.transpose(1, 2), values)
        flat = added.view(out_KND.shape[0], self._num_rows * self._width, -1)
        out_KND[:, self._rows.first : self._after] += flat[:, self._rows.padded_places]

    def probabilities(self, query_KGND: Tensor, key_KND: Tensor) -> Tensor:
        """Who looks where (K·B, G·T, T)."""
        num_groups, num_shared = query_KGND.shape[:2]
        scores = torch.bmm(self.take(query_KGND), self.seen(key_KND).transpose(1, 2))
        bias_BTT = torch.zeros_like(self._rows.allowed_BTT, dtype=scores.dtype)
        bias_BTT.masked_fill_(~self._rows.allowed_BTT, FORBIDDEN)
        shape = (num_groups, self._num_rows, num_shared, self._width, self._width)
        scores.view(shape).add_(bias_BTT[None, :, None])
        probabilities = scores.softmax(-1)
        # Padding would look everywhere, and hand on the gradient of the place that it stands for.
        looks_BT = self._rows.allowed_BTT.any(-1)
        probabilities.view(shape).mul_(looks_BT[None, :, None, :, None])
        return probabilities
