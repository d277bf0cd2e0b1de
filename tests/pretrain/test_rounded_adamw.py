"""bf16 weights learn from updates that are smaller than their last bit."""

from typing import Any

import pytest
import torch
from torch import nn

from pretrain.rounded_adamw import RoundedAdamW, rounded_at_random


def test_fp32_weights_get_the_updates_of_torchs_adamw() -> None:
    torch.manual_seed(0)
    ours, theirs = (nn.Parameter(torch.linspace(-1, 1, 12).view(3, 4)) for _ in range(2))
    options: dict[str, Any] = {
        "lr": 0.01,
        "betas": (0.9, 0.98),
        "eps": 1e-8,
        "weight_decay": 0.1,
    }  # Any: their types
    mine, torchs = RoundedAdamW([ours], **options), torch.optim.AdamW([theirs], **options)
    for _ in range(5):
        ours.grad = torch.randn(3, 4)
        theirs.grad = ours.grad.clone()
        mine.step()
        torchs.step()
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-6)


def test_rounding_is_right_in_the_mean_and_never_more_than_one_step_off() -> None:
    torch.manual_seed(0)
    for value in (1.001, -1.001, 3e-5, 0.0, 1.0):
        rounded = rounded_at_random(torch.full((100_000,), value)).float()
        step = abs(value) * 2**-7
        assert rounded.mean().item() == pytest.approx(value, abs=step / 50)
        assert (rounded - value).abs().max().item() <= step


@pytest.mark.parametrize(("optimizer", "moves"), [(RoundedAdamW, True), (torch.optim.AdamW, False)])
def test_updates_smaller_than_the_last_bit_add_up(
    optimizer: type[torch.optim.Optimizer], moves: bool
) -> None:
    torch.manual_seed(0)
    weight = nn.Parameter(torch.ones(1000, dtype=torch.bfloat16))
    chosen = optimizer([weight], lr=1e-4, weight_decay=0.0)
    for _ in range(100):
        weight.grad = torch.ones_like(weight)
        chosen.step()
    expected = 1 - 100 * 1e-4 if moves else 1.0
    assert weight.float().mean().item() == pytest.approx(expected, abs=1e-3)
    assert weight.dtype == torch.bfloat16


def test_its_state_is_read_back_to_the_same_updates() -> None:
    def train(num_steps: int, weight: nn.Parameter, optimizer: RoundedAdamW) -> None:
        for _ in range(num_steps):
            weight.grad = torch.full_like(weight, 0.3)
            optimizer.step()

    torch.manual_seed(1)
    whole = nn.Parameter(torch.ones(64, dtype=torch.bfloat16))
    train(4, whole, RoundedAdamW([whole], lr=1e-3))

    torch.manual_seed(1)
    weight = nn.Parameter(torch.ones(64, dtype=torch.bfloat16))
    first = RoundedAdamW([weight], lr=1e-3)
    train(2, weight, first)
    again = nn.Parameter(weight.detach().clone())
    second = RoundedAdamW([again], lr=1e-3)
    second.load_state_dict(first.state_dict())
    train(2, again, second)
    assert torch.equal(again, whole)
    assert second.state[again]["exp_avg"].dtype == torch.bfloat16
