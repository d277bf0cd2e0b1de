"""The log-probability of target tokens under an LM head, without the logits of a whole batch at once.

Comes in: hidden states, the head's weights and the tokens to predict. Goes out: the log-probability of each.
The logits are computed in chunks, so that a large vocabulary does not set the memory: what the backward
pass needs of them is kept where it is small, and computed again where it is not.

Legend: R target tokens, D hidden width, V vocabulary, C tokens of a chunk.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable

from pretrain.memory import KEPT_LOGITS

CHUNK_LOGITS = 1 << 23
"""Logits of one chunk."""
TINY = 1e-30
"""Below this, a probability in fp32 loses digits of its logarithm."""


def head_logprobs(head: nn.Module, hidden_RD: Tensor, target_R: Tensor) -> Tensor:
    """The log-probability (R), in fp32, of each target under `head`, a linear layer.

    In autocast's precision where it is on.
    """
    device = hidden_RD.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else head.weight.dtype
    logprobs_R: Tensor = HeadLogprobs.apply(
        hidden_RD.to(dtype), head.weight, getattr(head, "bias", None), target_R
    )
    return logprobs_R


class HeadLogprobs(torch.autograd.Function):
    """log softmax(hidden weightᵀ + bias) at the targets.

    Both passes work on the probabilities as they are: what scales them is put on the much smaller hidden
    states, and the part of the targets is added row by row.
    """

    @staticmethod
    def forward(
        ctx: FunctionCtx, hidden_RD: Tensor, weight_VD: Tensor, bias_V: Tensor | None, target_R: Tensor
    ) -> Tensor:
        """The log-probabilities (R) in fp32."""
        weight = weight_VD.to(hidden_RD.dtype)
        found, kept = [], []
        keeps = any(ctx.needs_input_grad) and target_R.numel() * weight.shape[0] <= KEPT_LOGITS
        with torch.autocast(hidden_RD.device.type, enabled=False):
            for chunk in chunks(len(target_R), weight.shape[0]):
                logits_CV = chunk_logits(hidden_RD[chunk], weight, bias_V)
                probabilities_CV = torch.softmax(logits_CV, -1, dtype=torch.float32)
                found.append(target_logprobs_of(probabilities_CV, logits_CV, target_R[chunk]))
                if keeps:
                    kept.append(probabilities_CV.to(hidden_RD.dtype))
        ctx.save_for_backward(hidden_RD, weight_VD, bias_V, target_R, *kept)
        return torch.cat(found)

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any,  # Any: see torch
        grad_R: Tensor,
    ) -> tuple[Tensor, Tensor | None, Tensor | None, None]:
        """The gradients of hidden states, weight (None where it does not train) and bias."""
        hidden_RD, weight_VD, bias_V, target_R, *kept = ctx.saved_tensors
        weight = weight_VD.to(hidden_RD.dtype)
        grad_hidden = torch.empty_like(hidden_RD)
        grad_weight = torch.zeros_like(weight_VD) if ctx.needs_input_grad[1] else None
        grad_bias = None if bias_V is None else torch.zeros_like(bias_V)
        for index, chunk in enumerate(chunks(len(target_R), weight.shape[0])):
            if kept:
                probabilities_CV = kept[index]
            else:
                logits_CV = chunk_logits(hidden_RD[chunk], weight, bias_V)
                probabilities_CV = logits_CV.softmax(-1)
            # d log p(target) / d logits is 1 at the target, minus the probabilities.
            target_C, grad_C1 = target_R[chunk], grad_R[chunk, None]
            expected_CD = probabilities_CV @ weight
            grad_hidden[chunk] = (grad_C1 * (weight[target_C] - expected_CD)).to(hidden_RD.dtype)
            if grad_weight is not None:
                scaled_CD = (grad_C1 * hidden_RD[chunk]).to(hidden_RD.dtype)
                if grad_weight.dtype == scaled_CD.dtype:
                    grad_weight.addmm_(probabilities_CV.T, scaled_CD, alpha=-1)
                else:
                    grad_weight -= probabilities_CV.T @ scaled_CD
                grad_weight.index_add_(0, target_C, scaled_CD.to(grad_weight.dtype))
            if grad_bias is not None:
                grad_C = grad_R[chunk].to(grad_bias.dtype)
                grad_bias -= probabilities_CV.T.to(grad_bias.dtype) @ grad_C
                grad_bias.index_add_(0, target_C, grad_C)
        return grad_hidden, grad_weight, grad_bias, None


def target_logprobs_of(probabilities_CV: Tensor, logits_CV: Tensor, target_C: Tensor) -> Tensor:
    """The log-probability (C) of each target, from the logits where its probability is hardly a number."""
    found_C = probabilities_CV.gather(1, target_C[:, None])[:, 0]
    logprobs_C = found_C.log()
    (tiny,) = (found_C < TINY).nonzero(as_tuple=True)
    if len(tiny):
        exact = logits_CV[tiny].log_softmax(-1, dtype=torch.float32)
        logprobs_C[tiny] = exact.gather(1, target_C[tiny, None])[:, 0]
    return logprobs_C


def chunk_logits(hidden_CD: Tensor, weight_VD: Tensor, bias_V: Tensor | None) -> Tensor:
    """The logits (C, V) of one chunk."""
    return torch.nn.functional.linear(
        hidden_CD, weight_VD, None if bias_V is None else bias_V.to(hidden_CD.dtype)
    )


def chunks(num_tokens: int, vocabulary: int) -> list[slice]:
    """The tokens of each chunk: as even as can be."""
    num_chunks = max(1, -(-num_tokens * vocabulary // CHUNK_LOGITS))
    size = -(-num_tokens // num_chunks)
    return [slice(first, first + size) for first in range(0, num_tokens, size)]
