"""The chunked LM head gives what torch's own cross-entropy gives, and the same gradients."""

import pytest
import torch
from torch import nn

from pretrain.packed import head
from pretrain.packed.head import head_logprobs

NUM_TOKENS, WIDTH, VOCABULARY = 23, 8, 50


def case(*, bias: bool, scale: float = 1.0) -> tuple[nn.Linear, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    linear = nn.Linear(WIDTH, VOCABULARY, bias=bias)
    hidden = (scale * torch.randn(NUM_TOKENS, WIDTH)).requires_grad_()
    return linear, hidden, torch.randint(VOCABULARY, (NUM_TOKENS,))


@pytest.mark.parametrize("kept", [0, 1 << 20], ids=["computed again", "kept"])
@pytest.mark.parametrize("chunk", [VOCABULARY, 7 * VOCABULARY, 1 << 20])
@pytest.mark.parametrize("bias", [False, True])
def test_values_and_gradients_are_those_of_cross_entropy(
    monkeypatch: pytest.MonkeyPatch, bias: bool, chunk: int, kept: int
) -> None:
    monkeypatch.setattr(head, "CHUNK_LOGITS", chunk)
    monkeypatch.setattr(head, "KEPT_LOGITS", kept)
    linear, hidden, target = case(bias=bias)
    weights = torch.linspace(-2, 3, NUM_TOKENS)
    wanted = [hidden, *linear.parameters()]

    ours = head_logprobs(linear, hidden, target)
    theirs = -nn.functional.cross_entropy(linear(hidden), target, reduction="none")

    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=0)
    found = torch.autograd.grad((weights * ours).sum(), wanted)
    expected = torch.autograd.grad((weights * theirs).sum(), wanted)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=0)


def test_targets_of_hardly_any_probability_keep_their_logarithm() -> None:
    linear, hidden, _ = case(bias=False, scale=200.0)
    target = linear(hidden).argmin(-1)

    ours = head_logprobs(linear, hidden, target)

    assert ours.min() < -100
    expected = -nn.functional.cross_entropy(linear(hidden), target, reduction="none")
    torch.testing.assert_close(ours, expected, atol=1e-4, rtol=1e-6)


def test_a_head_that_does_not_train_gets_no_gradient() -> None:
    linear, hidden, target = case(bias=False)
    linear.weight.requires_grad_(False)

    head_logprobs(linear, hidden, target).sum().backward()

    assert linear.weight.grad is None
    assert hidden.grad is not None
