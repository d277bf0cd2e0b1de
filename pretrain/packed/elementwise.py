"""What stands between a layer's matrix products, in as few passes over memory as PyTorch allows.

Comes in: hidden states, or queries and keys, one row of N tokens. Goes out: the same numbers as transformers'
modules give, at half their time on CPU: their backward passes are written by hand, and under autocast their
results are in its precision at once, so that no linear layer casts them again.

Legend: N tokens, D width, H heads, E head size.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable


def compute_dtype(tensor: Tensor) -> torch.dtype:
    """The precision of matrix products: autocast's where it is on, else the tensor's own."""
    device = tensor.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else tensor.dtype


def rms_norm(norm: nn.Module, hidden_1ND: Tensor) -> Tensor:
    """The module's RMSNorm (Zhang and Sennrich 2019) of the hidden states, in the precision of products."""
    normed_1ND: Tensor = RmsNorm.apply(
        hidden_1ND, norm.weight, norm.variance_epsilon, compute_dtype(hidden_1ND)
    )
    return normed_1ND


class RmsNorm(torch.autograd.Function):
    """x · weight / √(mean(x²) + ε), computed in fp32."""

    @staticmethod
    def forward(
        ctx: FunctionCtx, hidden_1ND: Tensor, weight_D: Tensor, epsilon: float, dtype: torch.dtype
    ) -> Tensor:
        """The normed states (1, N, D) in `dtype`."""
        wide = hidden_1ND.to(torch.promote_types(hidden_1ND.dtype, torch.float32))
        squares = torch.linalg.vector_norm(wide, dim=-1, keepdim=True).square_()
        scale_1N1 = squares.div_(wide.shape[-1]).add_(epsilon).rsqrt_()
        ctx.save_for_backward(hidden_1ND, weight_D, scale_1N1)
        return (wide * scale_1N1).mul_(weight_D).to(dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_1ND: Tensor) -> tuple[Tensor, Tensor | None, None, None]:  # Any: see torch
        """The gradients of states and weight."""
        hidden_1ND, weight_D, scale_1N1 = ctx.saved_tensors
        wide, grad = hidden_1ND.to(scale_1N1.dtype), grad_1ND.to(scale_1N1.dtype)
        products_ND = (grad * wide).flatten(0, -2)
        grad_weight = None
        if ctx.needs_input_grad[1]:
            grad_weight = (scale_1N1.view(1, -1) @ products_ND)[0].to(weight_D.dtype)
        # What the mean of squares takes back: along the states, by the weighted sum of the products.
        along_1N1 = (products_ND @ weight_D.to(products_ND.dtype)).view(scale_1N1.shape)
        along_1N1 = along_1N1.mul_(scale_1N1**3).div_(wide.shape[-1])
        grad_hidden = (grad * scale_1N1).mul_(weight_D).addcmul_(wide, along_1N1, value=-1)
        return grad_hidden.to(hidden_1ND.dtype), grad_weight, None, None


def rotated(heads_1NHE: Tensor, positions: tuple[Tensor, Tensor]) -> Tensor:
    """Queries or keys under their rotary positions (Su et al. 2021), in their own precision.

    `positions` are the cosines and sines (1, N, E), the second half like the first, as transformers' rotary
    embedding gives them: the rotation is computed in their precision.
    """
    cos_1NE, sin_1NE = positions
    turned_1NHE: Tensor = Rotation.apply(heads_1NHE, cos_1NE[:, :, None], sin_1NE[:, :, None])
    return turned_1NHE


class Rotation(torch.autograd.Function):
    """Each pair of components (i, i + E/2) turned by its angle; the gradient is turned back."""

    @staticmethod
    def forward(ctx: FunctionCtx, heads_1NHE: Tensor, cos_1N1E: Tensor, sin_1N1E: Tensor) -> Tensor:
        """The turned heads (1, N, H, E)."""
        ctx.save_for_backward(cos_1N1E, sin_1N1E)
        return turn(heads_1NHE, cos_1N1E, sin_1N1E, 1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_1NHE: Tensor) -> tuple[Tensor, None, None]:  # Any: see torch
        """The gradient of the heads."""
        cos_1N1E, sin_1N1E = ctx.saved_tensors
        return turn(grad_1NHE, cos_1N1E, sin_1N1E, -1), None, None


def turn(heads_1NHE: Tensor, cos_1N1E: Tensor, sin_1N1E: Tensor, direction: int) -> Tensor:
    """The heads turned by the angles, forth (1) or back (-1)."""
    half = heads_1NHE.shape[-1] // 2
    wide = heads_1NHE.to(cos_1N1E.dtype)
    sin_1N1F = sin_1N1E[..., :half]
    turned = wide * cos_1N1E
    turned[..., :half].addcmul_(wide[..., half:], sin_1N1F, value=-direction)
    turned[..., half:].addcmul_(wide[..., :half], sin_1N1F, value=direction)
    return turned.to(heads_1NHE.dtype)
