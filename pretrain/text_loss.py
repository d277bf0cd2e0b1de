"""How well a model predicts text: the mean loss over token data that it did not learn from.

Comes in: a model and token data. Goes out: nats per token.
"""

import torch
from torch import nn

from pretrain.model import next_token_loss
from pretrain.packing import TokenData

MAX_GATE_TOKENS = 50_000
"""Of a look during training: it compares the same tokens with themselves, and looks often."""


@torch.no_grad()
def mean_loss(model: nn.Module, data: TokenData, *, length: int, num_rows: int, max_tokens: int) -> float:
    """Nats per token over the first `max_tokens`, in rows of `length` tokens, `num_rows` of them at once."""
    was_training = model.training
    model.eval()
    total, num_targets = 0.0, 0
    batches = data.whole_batches(
        sequence_length=length, num_rows=num_rows, max_rows=max(1, max_tokens // length)
    )
    for batch in batches:
        if batch.num_targets:
            mean, _ = next_token_loss(model, batch)
            total += mean.item() * batch.num_targets
            num_targets += batch.num_targets
    model.train(was_training)
    return total / max(1, num_targets)
