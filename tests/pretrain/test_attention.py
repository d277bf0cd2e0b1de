"""Masked attention against torch's own, forward and backward."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from pretrain.attention import MaskedAttention, use_masked_attention
from pretrain.model import next_token_loss
from pretrain.packing import TokenData
from tests.pretrain.factories import small_model


def inputs(dtype: torch.dtype = torch.float32) -> tuple[list[Tensor], Tensor]:
    """Queries of four heads, keys and values of two, and a mask of two documents in each row."""
    generator = torch.Generator().manual_seed(0)
    shapes = [(3, 4, 16, 8), (3, 2, 16, 8), (3, 2, 16, 8)]
    tensors = [torch.randn(shape, generator=generator).to(dtype).requires_grad_() for shape in shapes]
    documents = torch.arange(16) >= torch.tensor([5, 9, 12])[:, None]
    same = documents[:, :, None] == documents[:, None, :]
    return tensors, (same & torch.ones(16, 16, dtype=torch.bool).tril())[:, None]


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 0.05)])
def test_values_and_gradients_are_those_of_torch(dtype: torch.dtype, tolerance: float) -> None:
    ours, mask = inputs(dtype)
    theirs = [tensor.detach().float().requires_grad_() for tensor in ours]
    output: Tensor = MaskedAttention.apply(*ours, mask, 0.3)
    query, key, value = theirs
    expected = F.scaled_dot_product_attention(query, key, value, mask, scale=0.3, enable_gqa=True)
    torch.testing.assert_close(output.float(), expected, atol=tolerance, rtol=tolerance)
    weights = torch.randn(output.shape, generator=torch.Generator().manual_seed(1))
    (output.float() * weights).sum().backward()
    (expected * weights).sum().backward()
    for one, other in zip(ours, theirs, strict=True):
        assert one.grad is not None
        assert other.grad is not None
        torch.testing.assert_close(one.grad.float(), other.grad, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize(("bf16", "tolerance"), [(False, 1e-5), (True, 0.02)])
def test_a_model_that_uses_it_learns_from_the_same_gradients(
    tokenizer_folder: Path, bf16: bool, tolerance: float
) -> None:
    data = TokenData([[10, 11, 12, 13, 14, 15], [20, 21, 22, 23], [30, 31, 32, 33, 34, 35, 36]], pad_id=2)
    batch = data.random_batch(seed=0, step=0, num_rows=4, sequence_length=16, rows_per_microbatch=4)[0]
    plain, masked = small_model(tokenizer_folder), small_model(tokenizer_folder)
    use_masked_attention(masked)
    next_token_loss(plain, batch)[0].backward()
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        loss = next_token_loss(masked, batch)[0]
    loss.backward()
    for one, other in zip(plain.parameters(), masked.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, atol=tolerance, rtol=0.1)


@torch.no_grad()
@pytest.mark.parametrize("bf16", [False, True])
def test_rows_without_a_mask_are_causal(tokenizer_folder: Path, bf16: bool) -> None:
    plain, masked = small_model(tokenizer_folder), small_model(tokenizer_folder)
    use_masked_attention(masked)
    ids = torch.arange(10, 40)[None]
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        logits, expected = masked(input_ids=ids).logits, plain(input_ids=ids).logits
    torch.testing.assert_close(logits, expected, atol=0.01 if bf16 else 1e-6, rtol=0.05)


def test_a_place_that_may_look_nowhere_stays_finite() -> None:
    tensors, mask = inputs(torch.bfloat16)
    mask[0, 0, 3] = False
    output: Tensor = MaskedAttention.apply(*tensors, mask, 0.3)
    output.float().sum().backward()
    assert output.isfinite().all()
    assert all(tensor.grad is not None and tensor.grad.isfinite().all() for tensor in tensors)


@torch.no_grad()
def test_a_model_that_uses_it_can_generate(tokenizer_folder: Path) -> None:
    plain, masked = small_model(tokenizer_folder).eval(), small_model(tokenizer_folder).eval()
    use_masked_attention(masked)
    ids = torch.arange(10, 20)[None]
    answers = [
        model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=8, do_sample=False)
        for model in (plain, masked)
    ]
    assert torch.equal(*answers)
