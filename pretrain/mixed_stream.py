"""The endless stream of training tokens drawn from several sources by a mix.

Comes in: encoded documents, the source of each, a mix. Goes out: the rows at any place of the stream, a
function of (seed, tokens consumed) as `pretrain.stream` has it, and the ledger of what was drawn. Each source
is a stream of its own, read on where its last block ended; when all of its documents have been read, its next
epoch begins, in another order. A document that goes on in the source's next block is a document of its own
there, unless that block follows at once.

Shapes: R rows of a step, T tokens of a row, N = R · T.
"""

import hashlib
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from pretrain.mix import Deal, Drawn, Mix
from pretrain.packing import NO_TARGET
from pretrain.run import ProgramError
from pretrain.stream import Rows, TokenStream


class Stream(Protocol):
    """What a training reads from: one corpus (`TokenStream`) or several (`MixedStream`)."""

    def rows(self, first_token: int, num_rows: int, length: int) -> Rows: ...

    def documents(self, first_token: int, num_tokens: int) -> list[int]: ...


class MixedStream:
    """The documents of several sources as one endless stream of tokens."""

    def __init__(
        self, documents: Sequence[Sequence[int]], sources: Sequence[str], mix: Mix, seed: int
    ) -> None:
        """`sources[i]` is where document i is from. A mix's annealing counts once `deal_by` has its place.

        Raises ProgramError where the mix names a source without documents.
        """
        of_source: dict[str, list[int]] = {}
        for number, source in enumerate(sources):
            of_source.setdefault(source, []).append(number)
        for name in mix.sources:
            if name not in of_source:
                raise ProgramError(
                    f"The mix names the source {name!r}, which has no documents to train on: the sources are "
                    f"{', '.join(sorted(of_source))}."
                )
        self._numbers = {name: np.array(of_source[name]) for name in mix.sources}
        self._streams = {
            name: TokenStream([documents[number] for number in own], source_seed(seed, name))
            for name, own in self._numbers.items()
        }
        self._seed = seed
        self._mix = mix.with_annealing(None)
        self._deal = Deal(self._mix, seed)

    def deal_by(self, mix: Mix) -> None:
        """Go on by another mix of the same sources, that has phases alone."""
        if mix != self._mix:
            self._mix, self._deal = mix, Deal(mix, self._seed)

    def rows(self, first_token: int, num_rows: int, length: int) -> Rows:
        """The `num_rows` rows of `length` tokens from place `first_token` of the stream on."""
        num = num_rows * length
        sources_N, places_N = self._places(first_token, num)
        tokens_N, targets_N = np.empty(num, dtype=np.int64), np.empty(num, dtype=np.int64)
        inside_N = np.empty(num, dtype=np.int64)
        for source in np.unique(sources_N):
            here = sources_N == source
            stream = self._streams[self._deal.sources[source]]
            tokens_N[here], starts, _ = stream.read(places_N[here])
            following, following_starts, _ = stream.read(places_N[here] + 1)
            targets_N[here] = np.where(following_starts == starts, following, NO_TARGET)
            inside_N[here] = places_N[here] - starts
        runs_RT = run_starts(sources_N.reshape(num_rows, length), places_N.reshape(num_rows, length))
        in_row_RT = np.maximum(runs_RT, np.arange(length) - inside_N.reshape(num_rows, length))
        return Rows(
            input_ids_RT=torch.from_numpy(tokens_N.reshape(num_rows, length)),
            position_ids_RT=torch.from_numpy(np.arange(length) - in_row_RT),
            starts_RT=torch.from_numpy(in_row_RT),
            targets_RT=torch.from_numpy(targets_N.reshape(num_rows, length)),
            num_targets=int((targets_N != NO_TARGET).sum()),
        )

    def documents(self, first_token: int, num_tokens: int) -> list[int]:
        """Which documents a run of tokens comes from, by their numbers, each once, in their order."""
        sources_N, places_N = self._places(first_token, num_tokens)
        numbers_N = np.empty(num_tokens, dtype=np.int64)
        for source in np.unique(sources_N):
            here = sources_N == source
            name = self._deal.sources[source]
            _, _, own = self._streams[name].read(places_N[here])
            numbers_N[here] = self._numbers[name][own]
        return list(dict.fromkeys(numbers_N.tolist()))

    def ledger(self, num_tokens: int) -> list[Drawn]:
        """What the first `num_tokens` tokens of the stream were drawn from."""
        drawn = self._deal.tokens_before(num_tokens)
        return [
            Drawn(source=name, tokens=drawn.get(name, 0), epochs=drawn.get(name, 0) / stream.num_tokens)
            for name, stream in self._streams.items()
        ]

    def _places(self, first_token: int, num: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """For each token its source's number and its place in that source's stream."""
        size = self._deal.block_tokens
        first_block, last_block = first_token // size, (first_token + num - 1) // size
        sources_B = self._deal.sources_of(first_block, last_block - first_block + 1)
        ranks_B = np.empty_like(sources_B)
        for source, before in enumerate(self._deal.blocks_before(first_block)):
            here = sources_B == source
            ranks_B[here] = before + np.arange(int(here.sum()))
        tokens = np.arange(first_token, first_token + num)
        blocks = tokens // size - first_block
        return sources_B[blocks], ranks_B[blocks] * size + tokens % size


def run_starts(sources_RT: NDArray[np.int64], places_RT: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each token the place in its row from which on the row follows its source without a break."""
    goes_on_RT = (np.diff(sources_RT, axis=1) == 0) & (np.diff(places_RT, axis=1) == 1)
    begins_RT = np.zeros_like(places_RT)
    begins_RT[:, 1:] = np.where(goes_on_RT, 0, np.arange(1, places_RT.shape[1]))
    return np.maximum.accumulate(begins_RT, axis=1)


def source_seed(seed: int, source: str) -> int:
    """Each source has an order of its own, whatever other sources there are."""
    return int.from_bytes(hashlib.blake2b(f"{seed} {source}".encode(), digest_size=8).digest(), "big")
