"""Shared-prefix rows: a context once, then each of its responses, as the tensors of one forward pass.

Comes in: encoded rows (a context and its ranked responses). Goes out: the ids of all rows one after another,
with no padding, the positions and the attention plan under which every response sees the context and itself
alone, exactly as in a row of its own, and the places where a loss reads: of each response's tokens for
language models, of its last token for reward models. (Llama 3, section 4.1.2, concatenates without such a
plan and calls it an approximation.)

Legend: N tokens of all rows, M of them that are read, S responses and R response tokens of the whole batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

from pretrain.packed.plan import AttentionPlan, Reading, Span, attention_plan, reading

BatchT = TypeVar("BatchT")


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
    read: Reading

    @property
    def num_tokens(self) -> int:
        """N."""
        return self.input_ids_1N.shape[1]


@dataclass(frozen=True, kw_only=True)
class LanguageRows:
    """Rows for a causal language model, which need no logits but those that predict response tokens."""

    layout: Layout
    source_R: Tensor
    """The place in M whose logits predict each response token."""
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
    """The place in M of each response's last token."""


def language_rows(rows: Sequence[Row]) -> LanguageRows:
    """Lay out `rows` for a causal language model.

    A response's last token is only predicted, never read, so it takes no place.
    """
    layout = lay_out(
        [[(row.context, 1), *((tokens[:-1], len(tokens) - 1) for tokens in row.responses)] for row in rows]
    )
    source, target, response, is_format = [], [], [], []
    num_responses = num_read = 0
    for row in rows:
        last_of_context = num_read
        num_read += 1
        for tokens, format_mask in zip(row.responses, row.format_masks, strict=True):
            source += [last_of_context, *range(num_read, num_read + len(tokens) - 1)]
            target += tokens
            response += [num_responses] * len(tokens)
            is_format += format_mask
            num_responses += 1
            num_read += len(tokens) - 1
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
    layout = lay_out([[(row.context, 0), *((tokens, 1) for tokens in row.responses)] for row in rows])
    return RewardRows(layout=layout, last_S=torch.arange(sum(len(row.responses) for row in rows)))


def plain_reward_rows(rows: Sequence[Row], orders: Sequence[Sequence[int]]) -> RewardRows:
    """Lay out `rows` as Llama 3 did (section 4.1.2): the responses one after another in the row's order, each
    seeing those before it. An approximation, for ablation.
    """
    sequences = [
        [*row.context, *(token for place in order for token in row.responses[place])]
        for row, order in zip(rows, orders, strict=True)
    ]
    last: list[int] = []
    first = 0
    for row, order, sequence in zip(rows, orders, sequences, strict=True):
        after = first + len(row.context)
        ends = [0] * len(row.responses)
        for place in order:
            after += len(row.responses[place])
            ends[place] = after - 1
        last += ends
        first += len(sequence)
    # Read in the middle as well: a place in M is one in N.
    layout = lay_out([[(sequence, len(sequence))] for sequence in sequences])
    return RewardRows(layout=layout, last_S=torch.tensor(last))


def lay_out(rows: Sequence[Sequence[tuple[list[int], int]]]) -> Layout:
    """Each context with its responses, one row after another, as (tokens, how many at their end are read)."""
    ids: list[int] = []
    positions: list[int] = []
    spans_of: list[list[Span]] = []
    for row in rows:
        spans: list[Span] = []
        for tokens, num_read in row:
            position = len(row[0][0]) if spans else 0
            spans.append(Span(first=len(ids), after=len(ids) + len(tokens), num_read=num_read))
            ids += tokens
            positions += range(position, position + len(tokens))
        spans_of.append(spans)
    longest = max(positions)
    return Layout(
        input_ids_1N=torch.tensor([ids]),
        position_ids_1N=torch.tensor([positions]),
        plan=attention_plan(spans_of, longest=longest),
        read=reading(spans_of, longest=longest),
    )


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
