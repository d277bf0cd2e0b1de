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

CHUNK_LOGITS = 1 << 23
"""Logits of one chunk."""
KEPT_LOGITS = 1 << 26
"""Logits of all chunks up to which their log-softmax is kept for the backward pass: 256 MiB in fp32."""


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
    """log softmax(hidden weightᵀ + bias) at the targets."""

    @staticmethod
    def forward(
        ctx: FunctionCtx, hidden_RD: Tensor, weight_VD: Tensor, bias_V: Tensor | None, target_R: Tensor
    ) -> Tensor:
        """The log-probabilities (R) in fp32."""
        weight = weight_VD.to(hidden_RD.dtype)
        found, normalisers, kept = [], [], []
        keeps = any(ctx.needs_input_grad) and target_R.numel() * weight.shape[0] <= KEPT_LOGITS
        with torch.autocast(hidden_RD.device.type, enabled=False):
            for chunk in chunks(len(target_R), weight.shape[0]):
                logits_CV = chunk_logits(hidden_RD[chunk], weight, bias_V)
                target_C1 = target_R[chunk, None]
                if keeps:
                    logprobs_CV = torch.log_softmax(logits_CV, -1, dtype=torch.float32)
                    found.append(logprobs_CV.gather(1, target_C1)[:, 0])
                    kept.append(logprobs_CV)
                else:
                    normaliser_C1 = logits_CV.float().logsumexp(-1, keepdim=True)
                    found.append((logits_CV.gather(1, target_C1).float() - normaliser_C1)[:, 0])
                    normalisers.append(normaliser_C1)
        ctx.save_for_backward(hidden_RD, weight_VD, bias_V, target_R, *kept, *normalisers)
        ctx.keeps = keeps
        return torch.cat(found)

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, grad_R: Tensor
    ) -> tuple[Tensor, Tensor | None, Tensor | None, None]:  # Any: see torch
        """The gradients of hidden states, weight and bias."""
        hidden_RD, weight_VD, bias_V, target_R, *saved = ctx.saved_tensors
        weight = weight_VD.to(hidden_RD.dtype)
        grad_hidden = torch.empty_like(hidden_RD)
        grad_weight = torch.zeros_like(weight_VD) if ctx.needs_input_grad[1] else None
        grad_bias = None if bias_V is None else torch.zeros_like(bias_V)
        for chunk, of_chunk in zip(chunks(len(target_R), weight.shape[0]), saved, strict=True):
            if ctx.keeps:
                probabilities_CV = of_chunk.exp()
            else:
                logits_CV = chunk_logits(hidden_RD[chunk], weight, bias_V)
                probabilities_CV = logits_CV.float().sub_(of_chunk).exp_()
            grad_C1 = grad_R[chunk, None]
            # d log p(target) / d logits is 1 at the target, minus the probabilities.
            grad_logits_CV = probabilities_CV.mul_(-grad_C1)
            grad_logits_CV.scatter_add_(1, target_R[chunk, None], grad_C1)
            if grad_bias is not None:
                grad_bias += grad_logits_CV.sum(0)
            grad_logits_CV = grad_logits_CV.to(hidden_RD.dtype)
            torch.mm(grad_logits_CV, weight, out=grad_hidden[chunk])
            if grad_weight is None:
                continue
            if grad_weight.dtype == hidden_RD.dtype:
                grad_weight.addmm_(grad_logits_CV.T, hidden_RD[chunk])
            else:
                grad_weight += grad_logits_CV.T @ hidden_RD[chunk]
        return grad_hidden, grad_weight, grad_bias, None


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
