"""Packed token data: windows over all documents, in which attention stays within a document.

Comes in: encoded documents. Goes out: batches of rows, each a window of the stream of all tokens, with
positions counted from the start of each document and a mask that keeps documents apart. What a batch
holds depends on the seed and the step alone.

Shapes: B rows, T tokens of a row, N tokens of the whole stream.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from pretrain.packed.plan import AttentionPlan, Span, attention_plan

NO_TARGET = -100


@dataclass(frozen=True, kw_only=True)
class TokenBatch:
    """Rows to train on. A document cut by its window's start counts its positions from there."""

    input_ids_BT: Tensor
    position_ids_BT: Tensor
    starts_BT: Tensor
    """The same number for the tokens of one document in a row, another for those of the next."""
    targets_BT: Tensor
    """The next token of the same document, or NO_TARGET."""
    num_targets: int
    """Targets of the whole step, all its microbatches together: the loss's normaliser."""

    @cached_property
    def mask_B1TT(self) -> Tensor | None:
        """True where a token may look; None when every row holds one document, where causal is enough."""
        return document_mask(self.starts_BT)

    @cached_property
    def plan(self) -> AttentionPlan:
        """Who sees whom where the rows lie one after another, each document by itself."""
        first_BT = self.starts_BT.diff(dim=1, prepend=self.starts_BT[:, :1] - 1) != 0
        firsts = first_BT.flatten().nonzero()[:, 0].tolist()
        ends = [*firsts[1:], first_BT.numel()]
        documents = [
            (Span(first=first, after=after, num_read=after - first),)
            for first, after in zip(firsts, ends, strict=True)
        ]
        return attention_plan(documents, longest=max(row[0].num_read for row in documents) - 1)


class TokenData:
    """The stream of all documents' tokens, with where each token's document begins."""

    def __init__(self, documents: Sequence[Sequence[int]], pad_id: int) -> None:
        assert documents, "no documents"
        lengths = np.array([len(document) for document in documents])
        self.num_tokens = int(lengths.sum())
        self._pad_id = pad_id
        self._tokens_N = np.concatenate([np.asarray(document, dtype=np.int64) for document in documents])
        self._starts_N = np.repeat(np.cumsum(lengths) - lengths, lengths)
        self._ends = np.cumsum(lengths)

    @property
    def tokens_N(self) -> np.ndarray:
        """The whole stream."""
        return self._tokens_N

    def random_batch(
        self, *, seed: int, step: int, num_rows: int, sequence_length: int, rows_per_microbatch: int
    ) -> list[TokenBatch]:
        """The microbatches of one step: windows at places drawn from (seed, step).

        A window begins at its document's start where that is less than a window away, so short documents
        are always seen from their beginning.
        """
        windows_B = self._windows(seed, step, num_rows, sequence_length)
        return self._batches(windows_B, sequence_length, rows_per_microbatch)

    def documents(self, *, seed: int, step: int, num_rows: int, sequence_length: int) -> list[int]:
        """Which documents the windows of `random_batch` read, by their numbers, each once, in order."""
        windows_B = self._windows(seed, step, num_rows, sequence_length)
        lasts_B = np.minimum(windows_B + sequence_length, self.num_tokens) - 1
        firsts, lasts = (np.searchsorted(self._ends, places, side="right") for places in (windows_B, lasts_B))
        numbers = (range(first, last + 1) for first, last in zip(firsts, lasts, strict=True))
        return sorted({int(number) for row in numbers for number in row})

    def _windows(self, seed: int, step: int, num_rows: int, sequence_length: int) -> np.ndarray:
        """Where the rows of a step begin (B)."""
        places_B = np.random.default_rng((seed, step)).integers(self.num_tokens, size=num_rows)
        starts_B = self._starts_N[places_B]
        return np.where(places_B - starts_B < sequence_length, starts_B, places_B)

    def whole_batches(self, *, sequence_length: int, num_rows: int, max_rows: int) -> Iterator[TokenBatch]:
        """Windows over the stream from its beginning, for evaluation, at most `max_rows` of them.

        A document that does not fit into the rest of a window is left to the next one, so that every
        token is predicted from as much of its document as a window can hold.
        """
        windows: list[int] = []
        start = 0
        while start < self.num_tokens and len(windows) < max_rows:
            windows.append(start)
            end = start + sequence_length
            if end < self.num_tokens and self._starts_N[end] > start:
                end = int(self._starts_N[end])
            start = end
        ends_B = np.array([*windows[1:], start])
        for first in range(0, len(windows), num_rows):
            part = slice(first, first + num_rows)
            yield from self._batches(np.array(windows[part]), sequence_length, num_rows, ends_B[part])

    def _batches(
        self, windows_B: np.ndarray, length: int, rows_per_microbatch: int, ends_B: np.ndarray | None = None
    ) -> list[TokenBatch]:
        """Batches of the windows at `windows_B`; past `ends_B` a window has no targets."""
        # One token more than a row: the last token's target. Past the end of the stream, every place is a
        # document of its own.
        places_BT = windows_B[:, None] + np.arange(length + 1)
        inside_BT = places_BT < self.num_tokens
        within_BT = np.where(inside_BT, places_BT, 0)
        tokens_BT = np.where(inside_BT, self._tokens_N[within_BT], self._pad_id)
        starts_BT = np.where(inside_BT, self._starts_N[within_BT], places_BT)
        starts_BT = np.maximum(starts_BT, windows_B[:, None])
        has_target_BT = starts_BT[:, 1:] == starts_BT[:, :-1]
        if ends_B is not None:
            has_target_BT &= places_BT[:, 1:] <= ends_B[:, None]
        targets_BT = np.where(has_target_BT, tokens_BT[:, 1:], NO_TARGET)
        positions_BT = places_BT[:, :-1] - starts_BT[:, :-1]
        num_targets = int(has_target_BT.sum())
        return [
            TokenBatch(
                input_ids_BT=torch.from_numpy(tokens_BT[part, :-1].copy()),
                position_ids_BT=torch.from_numpy(positions_BT[part]),
                starts_BT=torch.from_numpy(starts_BT[part, :-1].copy()),
                targets_BT=torch.from_numpy(targets_BT[part]),
                num_targets=num_targets,
            )
            for part in (
                slice(first, first + rows_per_microbatch)
                for first in range(0, len(windows_B), rows_per_microbatch)
            )
        ]


def document_mask(starts_BT: Tensor) -> Tensor | None:
    """Causal attention within documents (same start), or None when each row is one document."""
    if bool((starts_BT == starts_BT[:, :1]).all()):
        return None
    length = starts_BT.shape[1]
    causal_TT = torch.ones(length, length, dtype=torch.bool).tril_()
    same_BTT = starts_BT[:, :, None] == starts_BT[:, None, :]
    return (same_BTT & causal_TT)[:, None]
