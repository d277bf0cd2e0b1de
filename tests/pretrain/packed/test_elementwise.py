"""Norms and rotations written by hand are transformers' own, and their gradients are right."""

import pytest
import torch
from transformers.models.llama.modeling_llama import LlamaRMSNorm, apply_rotary_pos_emb

from pretrain.packed.elementwise import RmsNorm, Rotation, rms_norm, rotated


def make_positions(num_tokens: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    angles = torch.randn(1, num_tokens, size // 2).repeat(1, 1, 2)
    return angles.cos(), angles.sin()


def test_the_norm_is_transformers_own() -> None:
    norm = LlamaRMSNorm(8, 1e-6)
    torch.nn.init.normal_(norm.weight)
    hidden = torch.randn(1, 5, 8)
    torch.testing.assert_close(rms_norm(norm, hidden), norm(hidden))
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(rms_norm(norm, hidden), norm(hidden).bfloat16())


def test_the_norms_gradients_are_those_of_finite_differences() -> None:
    hidden = torch.randn(1, 3, 4, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, w: RmsNorm.apply(x, w, 1e-3, torch.float64), (hidden, weight))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_the_rotation_is_transformers_own(dtype: torch.dtype) -> None:
    queries = torch.randn(1, 5, 3, 8).to(dtype)
    cos, sin = make_positions(5, 8)
    theirs, _ = apply_rotary_pos_emb(queries.transpose(1, 2), queries.transpose(1, 2), cos, sin)
    torch.testing.assert_close(rotated(queries, (cos, sin)), theirs.transpose(1, 2).to(dtype))


def test_the_rotations_gradient_is_that_of_finite_differences() -> None:
    cos, sin = (values.double()[:, :, None] for values in make_positions(3, 4))
    queries = torch.randn(1, 3, 2, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: Rotation.apply(x, cos, sin), (queries,))
