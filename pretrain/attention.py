"""Masked attention for training on CPU: plain matrix products in place of the fused kernel.

Comes in: queries, keys and values as transformers' models hand them to an attention function, and a
boolean mask. Goes out: what scaled dot-product attention gives. torch's fused CPU kernel multiplies small
blocks, which in bf16 is slower than in fp32; whole products let the AMX units work. Models ask for it by
name, through the registry of attention functions that transformers offers.

Shapes: B rows, H query heads, K key-value heads (each shared by H / K query heads), T tokens, D head size.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.modeling_utils import AttentionInterface

MASKED_ATTENTION = "accord_masked"
LONGEST = 512
"""Tokens of a row up to which whole bf16 products were faster than the fused kernel, both passes counted."""
FORBIDDEN = -1e30
"""Added to scores that the mask forbids. Not -inf: a row of padding that may look nowhere stays finite."""


def use_masked_attention(model: nn.Module) -> None:
    """Let `model` attend through this module while it is trained on a CPU."""
    AttentionInterface.register(MASKED_ATTENTION, masked_attention)
    model.set_attn_implementation(MASKED_ATTENTION)


def masked_attention(
    module: nn.Module,
    query_BHTD: Tensor,
    key_BKTD: Tensor,
    value_BKTD: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **rest: Any,  # Any: what other attention functions may want
) -> tuple[Tensor, None]:
    """The attention function: (B, T, H, D). Causal where there is no mask.

    fp32, long rows, dropout and generation with a cache go to torch's kernel.
    """
    length = query_BHTD.shape[2]
    is_bf16_on_cpu = value_BKTD.dtype == torch.bfloat16 and value_BKTD.device.type == "cpu"
    if not is_bf16_on_cpu or length > LONGEST or length != key_BKTD.shape[2] or dropout:
        output_BTHD, _ = sdpa_attention_forward(
            module, query_BHTD, key_BKTD, value_BKTD, attention_mask, dropout, scaling, **rest
        )
        return output_BTHD, None
    if attention_mask is None:
        attention_mask = torch.ones(1, 1, length, length, dtype=torch.bool).tril_()
    scale = scaling if scaling is not None else query_BHTD.shape[-1] ** -0.5
    output_BHTD: Tensor = MaskedAttention.apply(query_BHTD, key_BKTD, value_BKTD, attention_mask, scale)
    return output_BHTD.transpose(1, 2), None


class MaskedAttention(torch.autograd.Function):
    """softmax(scale · Q Kᵀ, masked) V. Query heads that share keys are stacked as more rows of Q."""

    @staticmethod
    def forward(
        ctx: FunctionCtx,
        query_BHTD: Tensor,
        key_BKTD: Tensor,
        value_BKTD: Tensor,
        mask_B1TT: Tensor,
        scale: float,
    ) -> Tensor:
        """Keeps the probabilities for the backward pass."""
        with torch.autocast("cpu", enabled=False):
            dtype = value_BKTD.dtype
            query = (query_BHTD * scale).to(dtype).reshape(-1, *stacked(query_BHTD, key_BKTD))
            key, value = key_BKTD.to(dtype).flatten(0, 1), value_BKTD.flatten(0, 1)
            scores = torch.bmm(query, key.transpose(1, 2))
            # Adding to all heads at once takes a third of the time of filling in.
            bias_B1TT = torch.zeros_like(mask_B1TT, dtype=dtype).masked_fill_(~mask_B1TT, FORBIDDEN)
            scores.view(*query_BHTD.shape[:3], mask_B1TT.shape[-1]).add_(bias_B1TT)
            probabilities = scores.softmax(-1)
            output = torch.bmm(probabilities, value)
        ctx.save_for_backward(query, key, value, probabilities)
        ctx.scale = scale
        return output.view(query_BHTD.shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_BHTD: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:  # Any: see torch
        """The gradients of queries, keys and values."""
        query, key, value, probabilities = ctx.saved_tensors
        grad = grad_BHTD.to(value.dtype).reshape(query.shape)
        num_rows = grad_BHTD.shape[0]
        grad_value = torch.bmm(probabilities.transpose(1, 2), grad)
        grad_probabilities = torch.bmm(grad, value.transpose(1, 2))
        grad_scores = torch.ops.aten._softmax_backward_data(
            grad_probabilities, probabilities, -1, probabilities.dtype
        )
        grad_query = torch.bmm(grad_scores, key).mul_(ctx.scale)
        grad_key = torch.bmm(grad_scores.transpose(1, 2), query)
        heads = (num_rows, -1)
        return (
            grad_query.view(grad_BHTD.shape),
            grad_key.view(*heads, *key.shape[1:]),
            grad_value.view(*heads, *value.shape[1:]),
            None,
            None,
        )


def stacked(query_BHTD: Tensor, key_BKTD: Tensor) -> tuple[int, int]:
    """Rows and columns of one stack of queries that share a key-value head."""
    _, num_heads, length, size = query_BHTD.shape
    return num_heads // key_BKTD.shape[1] * length, size
