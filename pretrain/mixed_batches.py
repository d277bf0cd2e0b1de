"""The batches of a training by a mix: what each step reads, and what was read before it.

Comes in: encoded documents with their sources, a mix, and for each step how many rows of text it reads and of
what length. Goes out: the microbatches of a step and the ledger after it. `mix.json` in the run folder keeps
the mix, a hash of every source's documents and how much each step reads: a resumed training may have other
batches, and another mix, if that would have drawn the same tokens up to the checkpoint.
"""

from collections.abc import Callable, Sequence
from itertools import accumulate, groupby, islice, pairwise

from pretrain.mix import Drawn, Mix
from pretrain.mix_record import check_mix, digests, keep_mix, kept_steps_of
from pretrain.mixed_stream import MixedStream
from pretrain.packing import TokenBatch
from pretrain.run import RunFolder

RowsAt = Callable[[int], tuple[int, int]]
"""Rows of text that a step reads, and their length in tokens."""


class MixedBatches:
    """Steps over a mixed stream."""

    def __init__(
        self,
        documents: Sequence[Sequence[int]],
        sources: Sequence[str],
        mix: Mix,
        seed: int,
        rows_at: RowsAt,
        annealing_first: Callable[[], int | None],
        max_tokens_per_microbatch: int,
    ) -> None:
        """`annealing_first()`: the first step of annealing, None while it is not known."""
        self.mix = mix
        self._rows_at = rows_at
        self._annealing_first = annealing_first
        self._max_tokens = max_tokens_per_microbatch
        self._tokens_before = [0]
        self._stream = MixedStream(documents, sources, mix, seed)
        self._digests = digests(documents, sources)

    def batch_at(self, step: int) -> list[TokenBatch]:
        """The microbatches of `step`."""
        num_rows, length = self._rows_at(step)
        rows = self._current().rows(self.tokens_before(step), num_rows, length)
        return rows.microbatches(max(1, self._max_tokens // length))

    def tokens_before(self, step: int) -> int:
        """Tokens of text that the steps before `step` read."""
        while len(self._tokens_before) <= step:
            num_rows, length = self._rows_at(len(self._tokens_before) - 1)
            self._tokens_before.append(self._tokens_before[-1] + num_rows * length)
        return self._tokens_before[step]

    def ledger(self, num_steps: int) -> list[Drawn]:
        """What `num_steps` steps drew."""
        return self._current().ledger(self.tokens_before(num_steps))

    def keep(self, folder: RunFolder, num_done: int, num_steps: int | None) -> None:
        """Go on after `num_done` steps of the folder's training, which has `num_steps` if that is known.

        What those steps read is taken from `mix.json`, also where batches or rows are others now. Raises
        ProgramError where the mix or the documents would have made them read something else.
        """
        steps = kept_steps_of(folder)
        if num_done and steps is not None:
            sizes = (tokens for count, tokens in steps for _ in range(count))
            self._tokens_before = list(accumulate(islice(sizes, num_done), initial=0))
            num_tokens, annealing = self.tokens_before(num_done), self._annealing_token()
            check_mix(folder, self.mix, self._current(), self._digests, num_tokens, annealing)
        self.tokens_before(max(num_done, num_steps or 0))
        read = (after - before for before, after in pairwise(self._tokens_before))
        runs = [(len(list(alike)), tokens) for tokens, alike in groupby(read)]
        keep_mix(folder, self.mix, self._digests, runs)

    def _current(self) -> MixedStream:
        """The stream by the mix as far as it is known: when annealing begins may be decided on the way."""
        self._stream.deal_by(self.mix.with_annealing(self._annealing_token()))
        return self._stream

    def _annealing_token(self) -> int | None:
        step = self._annealing_first()
        return None if step is None else self.tokens_before(step)
