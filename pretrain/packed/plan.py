"""Who sees whom in rows that lie one after another: the plan that attention is computed by.

Comes in: where the rows' contexts and responses lie, and how many tokens at the end of each are asked for.
Goes out: an attention plan for all tokens, or for those alone that a loss reads.

Legend: N tokens of all rows, M of them that ask (all, or those that are read), B rows, Q queries and T keys
of a row that is padded for attention.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

SHORT = 128
"""Rows of up to so many tokens are attended to together."""
SHORT_SCORES = 1 << 20
"""Scores of one head in one group of short rows: enough to fill the matrix units."""


@dataclass(frozen=True, kw_only=True)
class Span:
    """A context or a response: the tokens [first, after) of N, of which the last `num_read` are read."""

    first: int
    after: int
    num_read: int


RowSpans = Sequence[Span]
"""A row: its context, then its responses, with nothing between them."""


@dataclass(frozen=True, kw_only=True)
class Segment:
    """A context or a response: its last tokens are queries, in order, which see what is not ahead of them.

    Places of queries count among the M, places of keys among the N.
    """

    first: int
    after: int
    """The queries [first, after)."""
    shared_first: int
    shared_after: int
    """What all of them see."""
    own_first: int
    own_after: int
    """The segment's own tokens: the last of them is the last query."""


@dataclass(frozen=True, kw_only=True)
class ShortRows:
    """Rows so short that attending to them together, padded, costs less than one by one."""

    first: int
    """Where in M their queries start: one after another."""
    queries_BQ: Tensor
    """The place in M of each query; `first` where there is padding."""
    padded_queries: Tensor
    """The place in the flattened (B, Q) of each of their queries, in the order of M."""
    key_first: int
    """Where in N they start: one after another."""
    keys_BT: Tensor
    """The place in N of each token; `key_first` where there is padding."""
    padded_keys: Tensor
    """The place in the flattened (B, T) of each of their tokens, in the order of N."""
    allowed_BQT: Tensor
    """True where a query sees a token: nowhere for padding."""


@dataclass(frozen=True, kw_only=True)
class AttentionPlan:
    """Who sees whom: every query is in one segment or in one of the short rows."""

    segments: tuple[Segment, ...]
    short_rows: tuple[ShortRows, ...]
    longest: int
    """The longest distance, in positions, at which a token sees another."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """The tokens that a loss reads: what the last layer is asked for."""

    places_M: Tensor
    """Where they lie in N, in order."""
    plan: AttentionPlan
    """What they see."""


def attention_plan(rows: Sequence[RowSpans], *, longest: int) -> AttentionPlan:
    """The plan under which every token asks."""
    return _plan(
        [[Span(first=s.first, after=s.after, num_read=s.after - s.first) for s in row] for row in rows],
        longest,
    )


def reading(rows: Sequence[RowSpans], *, longest: int) -> Reading:
    """The tokens that are read, and their plan."""
    places = [
        place for row in rows for span in row for place in range(span.after - span.num_read, span.after)
    ]
    return Reading(places_M=torch.tensor(places), plan=_plan(rows, longest))


def _plan(rows: Sequence[RowSpans], longest: int) -> AttentionPlan:
    segments: list[Segment] = []
    short_rows: list[ShortRows] = []
    group: list[RowSpans] = []  # short rows that follow each other
    num_queries = group_first = group_width = 0

    def end_group() -> None:
        if any(span.num_read for row in group for span in row):
            short_rows.append(short_group(group, group_first))
        group.clear()

    for row in rows:
        length = row[-1].after - row[0].first
        width = max(length, group_width) if group else length
        if group and (length > SHORT or (len(group) + 1) * width**2 > SHORT_SCORES):
            end_group()
        if length <= SHORT:
            if not group:
                group_first, group_width = num_queries, 0
            group_width = max(length, group_width)
            group.append(row)
        else:
            segments += row_segments(row, num_queries)
        num_queries += sum(span.num_read for span in row)
    end_group()
    return AttentionPlan(segments=tuple(segments), short_rows=tuple(short_rows), longest=longest)


def row_segments(row: RowSpans, first: int) -> list[Segment]:
    """The segments of one row, its queries starting at `first` of M: the context sees itself, a response the
    context and itself."""
    context = row[0]
    segments = []
    for span in row:
        is_context = span is context
        segments.append(
            Segment(
                first=first,
                after=first + span.num_read,
                shared_first=context.first,
                shared_after=context.first if is_context else context.after,
                own_first=span.first,
                own_after=span.after,
            )
        )
        first += span.num_read
    return [segment for segment in segments if segment.after > segment.first]


def short_group(group: Sequence[RowSpans], first: int) -> ShortRows:
    """Rows that follow each other, padded to the longest of them, their queries starting at `first` of M."""
    key_first = group[0][0].first
    num_keys = max(row[-1].after - row[0].first for row in group)
    num_queries = max(sum(span.num_read for span in row) for row in group)
    keys_BT = torch.full((len(group), num_keys), key_first)
    segments_BT = torch.full((len(group), num_keys), -1)
    queries_BQ = torch.full((len(group), num_queries), first)
    # The place in its row that each query has as a key; that of padding is past the end.
    own_BQ = torch.full((len(group), num_queries), num_keys)
    for index, row in enumerate(group):
        row_first, length = row[0].first, row[-1].after - row[0].first
        keys_BT[index, :length] = torch.arange(row_first, row_first + length)
        own: list[int] = []
        for segment, span in enumerate(row):
            segments_BT[index, span.first - row_first : span.after - row_first] = segment
            own += range(span.after - span.num_read - row_first, span.after - row_first)
        queries_BQ[index, : len(own)] = torch.arange(first, first + len(own))
        own_BQ[index, : len(own)] = torch.tensor(own)
        first += len(own)
    allowed_BTT = shared_prefix_mask(segments_BT)
    nothing_B1T = allowed_BTT.new_zeros(len(group), 1, num_keys)
    return ShortRows(
        first=int(queries_BQ[0, 0]),
        queries_BQ=queries_BQ,
        padded_queries=(own_BQ < num_keys).flatten().nonzero()[:, 0],
        key_first=key_first,
        keys_BT=keys_BT,
        padded_keys=(segments_BT >= 0).flatten().nonzero()[:, 0],
        allowed_BQT=torch.cat([allowed_BTT, nothing_B1T], 1)[torch.arange(len(group))[:, None], own_BQ],
    )


def shared_prefix_mask(segments_BT: Tensor) -> Tensor:
    """Who sees whom (B, T, T): the context (segment 0) and one's own segment, never forward; -1 nothing."""
    width = segments_BT.shape[1]
    causal_TT = torch.ones(width, width, dtype=torch.bool).tril()
    to_context_B1T = (segments_BT == 0)[:, None, :]
    to_own_BTT = segments_BT[:, :, None] == segments_BT[:, None, :]
    is_token_BT1 = (segments_BT >= 0)[:, :, None]
    return (to_context_B1T | to_own_BTT) & causal_TT & is_token_BT1
