"""A model that attends by plan learns what one under a mask learns, and generates the same."""

from pathlib import Path

import pytest
import torch

from pretrain.model import next_token_loss
from pretrain.packed.attention import use_planned_attention
from pretrain.packing import TokenData
from tests.pretrain.factories import small_model

LENGTHS = (6, 4, 7, 200, 1, 150)
"""Of documents: some attended to together, some block by block."""


@pytest.mark.parametrize(("bf16", "tolerance"), [(False, 1e-5), (True, 0.02)])
@pytest.mark.parametrize("length", [16, 300])
def test_it_learns_from_the_same_gradients(
    tokenizer_folder: Path, length: int, bf16: bool, tolerance: float
) -> None:
    draw = torch.Generator().manual_seed(0)
    documents = [torch.randint(10, 300, (number,), generator=draw).tolist() for number in LENGTHS]
    data = TokenData(documents, pad_id=2)
    batch = data.random_batch(seed=0, step=0, num_rows=4, sequence_length=length, rows_per_microbatch=4)[0]
    masked, planned = small_model(tokenizer_folder), small_model(tokenizer_folder)
    use_planned_attention(planned)
    expected = next_token_loss(masked, batch)[0]
    expected.backward()
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        loss = next_token_loss(planned, batch)[0]
    loss.backward()
    torch.testing.assert_close(loss, expected, atol=tolerance, rtol=tolerance)
    for one, other in zip(masked.parameters(), planned.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, atol=tolerance, rtol=0.1)


@torch.no_grad()
@pytest.mark.parametrize("bf16", [False, True])
def test_rows_without_a_plan_are_causal(tokenizer_folder: Path, bf16: bool) -> None:
    plain, planned = small_model(tokenizer_folder), small_model(tokenizer_folder)
    use_planned_attention(planned)
    ids = torch.arange(10, 40)[None]
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        logits, expected = planned(input_ids=ids).logits, plain(input_ids=ids).logits
    torch.testing.assert_close(logits, expected, atol=0.01 if bf16 else 1e-6, rtol=0.05)


@torch.no_grad()
def test_it_can_generate(tokenizer_folder: Path) -> None:
    plain, planned = small_model(tokenizer_folder).eval(), small_model(tokenizer_folder).eval()
    use_planned_attention(planned)
    ids = torch.arange(10, 20)[None]
    answers = [
        model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=8, do_sample=False)
        for model in (plain, planned)
    ]
    assert torch.equal(*answers)
