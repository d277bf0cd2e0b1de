"""The endless stream of training tokens, addressed by its places: what a step reads is a function of
(seed, tokens consumed) and of nothing else.

Comes in: encoded documents. Goes out: the rows at any place of the stream. An epoch is all documents, whole,
in an order drawn from (seed, epoch); epochs follow one another. A step reads the next rows · length tokens,
so that a training that changes its number of processes, its batch or its row length in the middle goes on
with the very next token: none is lost, none comes twice.

Shapes: R rows of a step, T tokens of a row, N tokens of an epoch.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pretrain.packing import NO_TARGET, TokenBatch

EPOCHS_KEPT = 2
"""A step reads from one epoch, or from the end of one and the beginning of the next."""


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Rows of one step, whole or a part of their tokens."""

    input_ids_RT: Tensor
    position_ids_RT: Tensor
    """From the start of the document, or of the row that cuts it."""
    starts_RT: Tensor
    """The place in the whole row at which a token's document starts."""
    targets_RT: Tensor
    """The next token of the same document, or NO_TARGET."""
    num_targets: int
    """Targets of the whole step: the loss's normaliser."""

    def __len__(self) -> int:
        return len(self.input_ids_RT)

    @property
    def length(self) -> int:
        """Tokens of a row here."""
        return self.input_ids_RT.shape[1]

    def tensors(self) -> dict[str, Tensor]:
        """All of the tensors by name."""
        names = ("input_ids_RT", "position_ids_RT", "starts_RT", "targets_RT")
        return {name: getattr(self, name) for name in names}

    def part(self, rows: slice, places_T: Tensor | None = None) -> "Rows":
        """Some of the rows, and of their tokens those at `places_T`."""
        kept = {name: tensor[rows] for name, tensor in self.tensors().items()}
        if places_T is not None:
            kept = {name: tensor[:, places_T] for name, tensor in kept.items()}
        return replace(self, **kept)

    def to(self, device: torch.device) -> "Rows":
        """The same rows on a device."""
        return replace(self, **{name: tensor.to(device) for name, tensor in self.tensors().items()})

    def keywords(self) -> dict[str, Any]:  # Any: tensors and a number
        """What a stage of a model wants beside the token ids."""
        return {
            "position_ids_BT": self.position_ids_RT,
            "starts_BT": self.starts_RT,
            "targets_BT": self.targets_RT,
            "num_targets": self.num_targets,
        }

    def microbatches(self, rows_per_microbatch: int) -> list[TokenBatch]:
        """The same rows as one process trains on them."""
        return [
            TokenBatch(
                input_ids_BT=part.input_ids_RT,
                position_ids_BT=part.position_ids_RT,
                starts_BT=part.starts_RT,
                targets_BT=part.targets_RT,
                num_targets=self.num_targets,
            )
            for first in range(0, len(self), rows_per_microbatch)
            for part in [self.part(slice(first, first + rows_per_microbatch))]
        ]


@dataclass(frozen=True)
class Epoch:
    """One epoch's order: where in it each of its documents ends, and which documents they are."""

    documents: np.ndarray
    ends: np.ndarray


class TokenStream:
    """The documents as an endless stream of tokens."""

    def __init__(self, documents: Sequence[Sequence[int]], seed: int) -> None:
        assert documents and all(len(document) for document in documents), "empty documents"
        self._seed = seed
        self._lengths = np.array([len(document) for document in documents])
        self._firsts = np.cumsum(self._lengths) - self._lengths
        self._tokens_N = np.concatenate([np.asarray(document, dtype=np.int64) for document in documents])
        self._epochs: dict[int, Epoch] = {}

    @property
    def num_tokens(self) -> int:
        """Of one epoch."""
        return len(self._tokens_N)

    def rows(self, first_token: int, num_rows: int, length: int) -> Rows:
        """The `num_rows` rows of `length` tokens from place `first_token` of the stream on."""
        # One token more than a row: the last token's target, which is also the next row's first token.
        row_starts_R1 = first_token + length * np.arange(num_rows)[:, None]
        places_RT = row_starts_R1 + np.arange(length + 1)
        tokens_RT, starts_RT, _ = self.read(places_RT)
        has_target_RT = starts_RT[:, 1:] == starts_RT[:, :-1]
        in_row_RT = np.maximum(starts_RT[:, :-1] - row_starts_R1, 0)
        return Rows(
            input_ids_RT=torch.from_numpy(tokens_RT[:, :-1].copy()),
            position_ids_RT=torch.from_numpy(np.arange(length) - in_row_RT),
            starts_RT=torch.from_numpy(in_row_RT),
            targets_RT=torch.from_numpy(np.where(has_target_RT, tokens_RT[:, 1:], NO_TARGET)),
            num_targets=int(has_target_RT.sum()),
        )

    def documents(self, first_token: int, num_tokens: int) -> list[int]:
        """Which documents a run of tokens comes from, by their numbers, each once, in their order."""
        _, _, numbers = self.read(np.arange(first_token, first_token + num_tokens))
        return list(dict.fromkeys(numbers.tolist()))

    def read(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """At places of the stream: tokens, where in the stream their documents start, the documents."""
        tokens, starts, numbers = np.empty_like(places), np.empty_like(places), np.empty_like(places)
        epochs = places // self.num_tokens
        for number in np.unique(epochs):
            here = epochs == number
            offsets = places[here] - number * self.num_tokens
            epoch = self._epoch(int(number))
            ranks = np.searchsorted(epoch.ends, offsets, side="right")
            documents = epoch.documents[ranks]
            begins = epoch.ends[ranks] - self._lengths[documents]
            tokens[here] = self._tokens_N[self._firsts[documents] + offsets - begins]
            starts[here] = number * self.num_tokens + begins
            numbers[here] = documents
        return tokens, starts, numbers

    def _epoch(self, number: int) -> Epoch:
        if number not in self._epochs:
            for oldest in sorted(self._epochs)[: len(self._epochs) - EPOCHS_KEPT + 1]:
                del self._epochs[oldest]
            order = np.random.default_rng((self._seed, number)).permutation(len(self._lengths))
            self._epochs[number] = Epoch(order, np.cumsum(self._lengths[order]))
        return self._epochs[number]
