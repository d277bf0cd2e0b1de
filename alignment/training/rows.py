"""Shared-prefix rows: a context once, then each of its responses, as the tensors of one forward pass.

Comes in: encoded rows (a context and its ranked responses). Goes out: padded input ids with the mask and
the positions under which every response sees the context and itself alone, exactly as in a row of its own,
and the places where a loss reads: of each response's tokens for language models, of its last token for
reward models. (Llama 3, section 4.1.2, concatenates without such a mask and calls it an approximation.)

Legend: B rows, T places of the longest row, S responses and N response tokens of the whole batch. A place
in BT counts through the flattened (B, T).
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

BatchT = TypeVar("BatchT")

PADDING = -1
"""The segment of places that hold no token; 0 is the context, 1, 2, … are the responses."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One encoded example."""

    context: list[int]
    """Up to and with the assistant's header."""
    responses: list[list[int]]
    """Best first, each with the token that ends it."""
    format_masks: list[list[bool]]
    """For each response, True where a token is of the dialog's form and not of what it says."""

    @property
    def num_tokens(self) -> int:
        """Places that the row takes."""
        return len(self.context) + sum(map(len, self.responses))


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The tensors of one forward pass."""

    input_ids_BT: Tensor
    position_ids_BT: Tensor | None
    """None: the places themselves."""
    allowed_B1TT: Tensor | None
    """True where a token (third axis) attends to another (fourth axis); None: the plain causal mask."""
    num_tokens: int
    """Tokens that are no padding."""


@dataclass(frozen=True, kw_only=True)
class LanguageRows:
    """Rows for a causal language model, which need no logits but those that predict response tokens."""

    layout: Layout
    source_N: Tensor
    """The place in BT whose logits predict each response token."""
    target_N: Tensor
    """The token ids to predict."""
    response_N: Tensor
    """The response in S that each token belongs to."""
    format_N: Tensor
    """True on format tokens."""
    num_responses: int
    """S."""


@dataclass(frozen=True, kw_only=True)
class RewardRows:
    """Rows for a reward model, which is read at each response's last token."""

    layout: Layout
    last_S: Tensor
    """The place in BT of each response's last token."""


def language_rows(rows: Sequence[Row], pad_id: int) -> LanguageRows:
    """Lay out `rows` for a causal language model.

    A response's last token is only predicted, never read, so it takes no place.
    """
    layout, starts = lay_out([row.context for row in rows], [cut_last(row.responses) for row in rows], pad_id)
    width = layout.input_ids_BT.shape[1]
    source, target, response, is_format = [], [], [], []
    num_responses = 0
    for index, row in enumerate(rows):
        last_of_context = index * width + len(row.context) - 1
        for start, tokens, format_mask in zip(starts[index], row.responses, row.format_masks, strict=True):
            first = index * width + start
            source += [last_of_context, *range(first, first + len(tokens) - 1)]
            target += tokens
            response += [num_responses] * len(tokens)
            is_format += format_mask
            num_responses += 1
    return LanguageRows(
        layout=layout,
        source_N=torch.tensor(source),
        target_N=torch.tensor(target),
        response_N=torch.tensor(response),
        format_N=torch.tensor(is_format),
        num_responses=num_responses,
    )


def reward_rows(rows: Sequence[Row], pad_id: int) -> RewardRows:
    """Lay out `rows` for a reward model."""
    layout, starts = lay_out([row.context for row in rows], [row.responses for row in rows], pad_id)
    width = layout.input_ids_BT.shape[1]
    last = [
        index * width + start + len(tokens) - 1
        for index, row in enumerate(rows)
        for start, tokens in zip(starts[index], row.responses, strict=True)
    ]
    return RewardRows(layout=layout, last_S=torch.tensor(last))


def cut_last(responses: Sequence[list[int]]) -> list[list[int]]:
    """Each response without its last token."""
    return [tokens[:-1] for tokens in responses]


def lay_out(
    contexts: Sequence[list[int]], continuations: Sequence[list[list[int]]], pad_id: int
) -> tuple[Layout, list[list[int]]]:
    """One padded row for each context with its continuations, and where in its row each one starts.

    The positions of every continuation go on from the context's end.
    """
    ids_of, positions_of, segments_of, starts_of = [], [], [], []
    for context, row_continuations in zip(contexts, continuations, strict=True):
        ids = list(context)
        positions = list(range(len(context)))
        segments = [0] * len(context)
        starts = []
        for segment, tokens in enumerate(row_continuations, start=1):
            starts.append(len(ids))
            ids += tokens
            positions += range(len(context), len(context) + len(tokens))
            segments += [segment] * len(tokens)
        ids_of.append(ids)
        positions_of.append(positions)
        segments_of.append(segments)
        starts_of.append(starts)

    input_ids_BT = padded(ids_of, pad_id)
    num_tokens = sum(map(len, ids_of))
    if all(len(starts) == 1 for starts in starts_of):
        # Padding comes last, so under the plain causal mask no token sees it.
        return Layout(
            input_ids_BT=input_ids_BT, position_ids_BT=None, allowed_B1TT=None, num_tokens=num_tokens
        ), starts_of
    layout = Layout(
        input_ids_BT=input_ids_BT,
        position_ids_BT=padded(positions_of, 0),
        allowed_B1TT=shared_prefix_mask(padded(segments_of, PADDING)),
        num_tokens=num_tokens,
    )
    return layout, starts_of


def shared_prefix_mask(segments_BT: Tensor) -> Tensor:
    """Who attends to whom (B, 1, T, T): to the context and to one's own segment, never forward."""
    width = segments_BT.shape[1]
    causal_TT = torch.ones(width, width, dtype=torch.bool).tril()
    to_context_B1T = (segments_BT == 0)[:, None, :]
    to_own_BTT = segments_BT[:, :, None] == segments_BT[:, None, :]
    return ((to_context_B1T | to_own_BTT) & causal_TT)[:, None]


def padded(rows: Sequence[list[int]], value: int) -> Tensor:
    """`rows` as one tensor (B, T), the shorter ones filled with `value`."""
    width = max(map(len, rows))
    return torch.tensor([row + [value] * (width - len(row)) for row in rows])


def ranking_pairs(rows: Sequence[Row]) -> tuple[list[int], list[int]]:
    """All pairs of each row's ranking: the better and the worse responses, as indices in S."""
    better, worse = [], []
    first = 0
    for row in rows:
        after = first + len(row.responses)
        for left in range(first, after):
            for right in range(left + 1, after):
                better.append(left)
                worse.append(right)
        first = after
    return better, worse


def best_pairs(rows: Sequence[Row]) -> tuple[list[int], list[int]]:
    """Each row's best response against each worse one, as indices in S."""
    best, worse = [], []
    first = 0
    for row in rows:
        for other in range(first + 1, first + len(row.responses)):
            best.append(first)
            worse.append(other)
        first += len(row.responses)
    return best, worse


def to_device(batch: BatchT, device: torch.device) -> BatchT:
    """A dataclass of tensors, with those of the dataclasses in it, on `device`."""
    moved: dict[str, Any] = {}  # Any: the fields' own types
    for field in fields(batch):  # type: ignore[arg-type]  # a dataclass instance, which BatchT cannot say
        value = getattr(batch, field.name)
        if isinstance(value, Tensor):
            moved[field.name] = value.to(device)
        elif is_dataclass(value):
            moved[field.name] = to_device(value, device)
    return replace(batch, **moved)  # type: ignore[type-var]
