"""Embeddings of whole dialogs: the mean of a language model's last hidden states.

Comes in: a checkpoint folder and dialogs. Goes out: one vector for each. The base that the round starts from
serves, so no second model is needed.

Legend: N dialogs, B dialogs of a batch, T places, D width.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from pretrain.checkpoint_folder import load_causal_lm
from pretrain.dialog import MessageLike
from pretrain.encoders import encoder_for

BATCH_TOKENS = 8192
"""Padded tokens in one forward pass."""


@torch.no_grad()
def dialog_embeddings(
    folder: Path,
    dialogs: Sequence[Sequence[MessageLike]],
    *,
    max_tokens: int,
    num_threads: int = 1,
    on_progress: Callable[[int], None] = lambda done: None,
) -> Tensor:
    """The embeddings (N, D) of the dialogs in fp32, in their order.

    A dialog longer than `max_tokens` loses its beginning. `on_progress` hears how many are done.
    """
    torch.set_num_threads(num_threads)
    encoder = encoder_for(folder)
    rows = [encoder.encode_dialog(dialog)[-max_tokens:] for dialog in dialogs]
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = load_causal_lm(folder).base_model.to(device).eval()
    found: dict[int, Tensor] = {}
    for batch in batches(rows):
        ids_BT, real_BT = padded([rows[place] for place in batch], encoder.pad_id)
        hidden_BTD = model(
            input_ids=ids_BT.to(device), attention_mask=real_BT.to(device), use_cache=False
        ).last_hidden_state
        found.update(zip(batch, mean_of_real(hidden_BTD.float().cpu(), real_BT), strict=True))
        on_progress(len(found))
    return torch.stack([found[place] for place in range(len(rows))])


def batches(rows: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    """Places of rows of like length, at most BATCH_TOKENS padded tokens (or one row) at a time."""
    batch: list[int] = []
    for place in sorted(range(len(rows)), key=lambda place: -len(rows[place])):
        if batch and (len(batch) + 1) * len(rows[batch[0]]) > BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch


def padded(rows: Sequence[Sequence[int]], pad_id: int) -> tuple[Tensor, Tensor]:
    """The rows padded on the right, (B, T), and a mask (B, T) of what is no padding."""
    lengths_B1 = torch.tensor([len(row) for row in rows])[:, None]
    longest = int(lengths_B1.max())
    ids_BT = torch.tensor([[*row, *[pad_id] * (longest - len(row))] for row in rows])
    return ids_BT, torch.arange(longest)[None] < lengths_B1


def mean_of_real(hidden_BTD: Tensor, real_BT: Tensor) -> Tensor:
    """The mean (B, D) over the places that are no padding."""
    weights_BT1 = real_BT[:, :, None].to(hidden_BTD.dtype)
    return (hidden_BTD * weights_BT1).sum(1) / weights_BT1.sum(1)
