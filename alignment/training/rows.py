"""Shared-prefix rows: a context once, then each of its responses, as the tensors of one forward pass.

Comes in: encoded rows (a context and its ranked responses). Goes out: the ids of all rows one after another,
with no padding, the positions and the attention plan under which every response sees the context and itself
alone, exactly as in a row of its own, and the places where a loss reads: of each response's tokens for
language models, of its last token for reward models. (Llama 3, section 4.1.2, concatenates without such a
plan and calls it an approximation.)

Legend: N tokens of all rows, S responses and R response tokens of the whole batch, B rows and T places of
rows that are padded for attention.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

from alignment.training.attention import AttentionPlan, QueryBlock, ShortRows

BatchT = TypeVar("BatchT")

BLOCK_QUERIES = 128
"""Queries of one block: the fastest on CPU among 64 to 512, for contexts of 64 to 512 tokens."""
SHORT = 128
"""Rows of up to so many tokens are attended to together."""
SHORT_SCORES = 1 << 20
"""Scores of one head in one group of short rows: enough to fill the matrix units."""


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

    @property
    def longest(self) -> int:
        """Tokens of the context with its longest response: what the model must be able to read."""
        return len(self.context) + max(map(len, self.responses))


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The tensors of one forward pass."""

    input_ids_1N: Tensor
    position_ids_1N: Tensor
    """Those of every response go on from its context's end."""
    plan: AttentionPlan

    @property
    def num_tokens(self) -> int:
        """N."""
        return self.input_ids_1N.shape[1]


@dataclass(frozen=True, kw_only=True)
class LanguageRows:
    """Rows for a causal language model, which need no logits but those that predict response tokens."""

    layout: Layout
    source_R: Tensor
    """The place in N whose logits predict each response token."""
    target_R: Tensor
    """The token ids to predict."""
    response_R: Tensor
    """The response in S that each token belongs to."""
    format_R: Tensor
    """True on format tokens."""
    num_responses: int
    """S."""


@dataclass(frozen=True, kw_only=True)
class RewardRows:
    """Rows for a reward model, which is read at each response's last token."""

    layout: Layout
    last_S: Tensor
    """The place in N of each response's last token."""


def language_rows(rows: Sequence[Row]) -> LanguageRows:
    """Lay out `rows` for a causal language model.

    A response's last token is only predicted, never read, so it takes no place.
    """
    continuations = [[tokens[:-1] for tokens in row.responses] for row in rows]
    layout, starts = lay_out([row.context for row in rows], continuations)
    source, target, response, is_format = [], [], [], []
    num_responses = 0
    for row, (row_first, *response_firsts) in zip(rows, starts, strict=True):
        last_of_context = row_first + len(row.context) - 1
        for first, tokens, format_mask in zip(response_firsts, row.responses, row.format_masks, strict=True):
            source += [last_of_context, *range(first, first + len(tokens) - 1)]
            target += tokens
            response += [num_responses] * len(tokens)
            is_format += format_mask
            num_responses += 1
    return LanguageRows(
        layout=layout,
        source_R=torch.tensor(source),
        target_R=torch.tensor(target),
        response_R=torch.tensor(response),
        format_R=torch.tensor(is_format),
        num_responses=num_responses,
    )


def reward_rows(rows: Sequence[Row]) -> RewardRows:
    """Lay out `rows` for a reward model."""
    layout, starts = lay_out([row.context for row in rows], [row.responses for row in rows])
    last = [
        first + len(tokens) - 1
        for row, (_, *response_firsts) in zip(rows, starts, strict=True)
        for first, tokens in zip(response_firsts, row.responses, strict=True)
    ]
    return RewardRows(layout=layout, last_S=torch.tensor(last))


def plain_reward_rows(rows: Sequence[Row], orders: Sequence[Sequence[int]]) -> RewardRows:
    """Lay out `rows` as Llama 3 did (section 4.1.2): the responses one after another in the row's order, each
    seeing those before it. An approximation, for ablation.
    """
    sequences = [
        [*row.context, *(token for place in order for token in row.responses[place])]
        for row, order in zip(rows, orders, strict=True)
    ]
    layout, starts = lay_out(sequences, [[] for _ in rows])
    last: list[int] = []
    for row, order, (first,) in zip(rows, orders, starts, strict=True):
        after = first + len(row.context)
        ends = [0] * len(row.responses)
        for place in order:
            after += len(row.responses[place])
            ends[place] = after - 1
        last += ends
    return RewardRows(layout=layout, last_S=torch.tensor(last))


def lay_out(
    contexts: Sequence[list[int]], continuations: Sequence[list[list[int]]]
) -> tuple[Layout, list[list[int]]]:
    """Each context with its continuations, one row after another; where the row and each of them starts."""
    ids: list[int] = []
    positions: list[int] = []
    starts_of: list[list[int]] = []
    for context, row_continuations in zip(contexts, continuations, strict=True):
        starts = [len(ids)]
        ids += context
        positions += range(len(context))
        for tokens in row_continuations:
            starts.append(len(ids))
            ids += tokens
            positions += range(len(context), len(context) + len(tokens))
        starts_of.append(starts)
    layout = Layout(
        input_ids_1N=torch.tensor([ids]),
        position_ids_1N=torch.tensor([positions]),
        plan=attention_plan(starts_of, len(ids), longest=max(positions)),
    )
    return layout, starts_of


def attention_plan(starts_of: Sequence[Sequence[int]], num_tokens: int, *, longest: int) -> AttentionPlan:
    """The plan of rows whose context and responses start at `starts_of`, up to `num_tokens`."""
    ends = [starts[0] for starts in starts_of[1:]] + [num_tokens]
    blocks: list[QueryBlock] = []
    short_rows: list[ShortRows] = []
    group: list[tuple[Sequence[int], int]] = []  # short rows that follow each other
    for starts, end in zip(starts_of, ends, strict=True):
        width = max([end - starts[0], *(after - first[0] for first, after in group)])
        if group and (end - starts[0] > SHORT or (len(group) + 1) * width**2 > SHORT_SCORES):
            short_rows.append(short_group(group))
            group = []
        if end - starts[0] <= SHORT:
            group.append((starts, end))
        else:
            blocks += row_blocks(starts, end)
    if group:
        short_rows.append(short_group(group))
    return AttentionPlan(blocks=tuple(blocks), short_rows=tuple(short_rows), longest=longest)


def row_blocks(starts: Sequence[int], end: int) -> list[QueryBlock]:
    """The query blocks of one row: the context sees itself, a response the context and itself."""
    row_first, context_after = starts[0], [*starts, end][1]
    blocks = []
    for segment, (first, after) in enumerate(zip(starts, [*starts[1:], end], strict=True)):
        blocks += [
            QueryBlock(
                first=block_first,
                after=min(block_first + BLOCK_QUERIES, after),
                shared_first=row_first,
                shared_after=context_after if segment else row_first,
                own_first=first,
            )
            for block_first in range(first, after, BLOCK_QUERIES)
        ]
    return blocks


def short_group(group: Sequence[tuple[Sequence[int], int]]) -> ShortRows:
    """Rows that follow each other, as (starts, end) each, padded to the longest of them."""
    first = group[0][0][0]
    width = max(end - starts[0] for starts, end in group)
    places_BT = torch.full((len(group), width), first)
    segments_BT = torch.full((len(group), width), -1)
    for index, (starts, end) in enumerate(group):
        places_BT[index, : end - starts[0]] = torch.arange(starts[0], end)
        for segment, (start, after) in enumerate(zip(starts, [*starts[1:], end], strict=True)):
            segments_BT[index, start - starts[0] : after - starts[0]] = segment
    return ShortRows(
        first=first,
        places_BT=places_BT,
        padded_places=(segments_BT >= 0).flatten().nonzero()[:, 0],
        allowed_BTT=shared_prefix_mask(segments_BT),
    )


def shared_prefix_mask(segments_BT: Tensor) -> Tensor:
    """Who sees whom (B, T, T): the context (segment 0) and one's own segment, never forward; -1 nothing."""
    width = segments_BT.shape[1]
    causal_TT = torch.ones(width, width, dtype=torch.bool).tril()
    to_context_B1T = (segments_BT == 0)[:, None, :]
    to_own_BTT = segments_BT[:, :, None] == segments_BT[:, None, :]
    is_token_BT1 = (segments_BT >= 0)[:, :, None]
    return (to_context_B1T | to_own_BTT) & causal_TT & is_token_BT1


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
    """A dataclass of tensors, with those of the dataclasses and tuples in it, on `device`."""
    moved = {field.name: _moved(getattr(batch, field.name), device) for field in fields(batch)}  # type: ignore[arg-type]  # a dataclass instance, which BatchT cannot say
    return replace(batch, **moved)  # type: ignore[type-var]


def _moved(value: Any, device: torch.device) -> Any:  # Any: a field's value, of its own type
    if isinstance(value, Tensor):
        return value.to(device)
    if isinstance(value, tuple):
        return tuple(_moved(item, device) for item in value)
    return to_device(value, device) if is_dataclass(value) else value
