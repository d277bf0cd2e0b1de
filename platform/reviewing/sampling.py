"""A stratified sample of documents that depends on the seed and on the documents alone, not on their order.

Each document has a number made of the seed and its key; of each stratum those with the smallest are drawn
(Cohen and Kaplan, Summarizing data using bottom-k sketches, 2007). Three passes: a pilot sample that tells
how far from a threshold is near, the strata with their sizes, and the texts. Memory is that of the sample.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from heapq import heappush, heappushpop

from pretrain.curation.documents import Document
from reviewing.strata import Judged, Strata, allocation
from reviewing.thresholds import Threshold

PILOT = 10_000
"""Documents: they set where a hundredth of the documents lies to within two thousandths."""

Key = tuple[str, int]


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """The sample."""

    populations: dict[str, int]
    """Documents of the corpus by stratum."""
    documents: Sequence[tuple[str, Document]]
    """Stratum and document, in an order that tells nothing of either."""


class Smallest:
    """The items with the smallest numbers of all that came by."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._heap: list[tuple[int, Key, Judged]] = []

    def add(self, number: int, key: Key, judged: Judged) -> None:
        """Keep it if it is among them. Numbers of two documents differ, so items are never compared."""
        item = (-number, key, judged)
        if len(self._heap) < self._size:
            heappush(self._heap, item)
        elif item[0] > self._heap[0][0]:
            heappushpop(self._heap, item)

    def items(self) -> list[tuple[Key, Judged]]:
        """They, smallest number first."""
        return [(key, judged) for _, key, judged in sorted(self._heap, key=lambda item: -item[0])]


def draw(
    documents: Callable[[], Iterable[Document]], thresholds: Sequence[Threshold], *, size: int, seed: int
) -> Drawn:
    """Draw `size` documents, or all where there are fewer; `documents` begins anew at each call."""
    pilot, num_dropped = Smallest(PILOT), Counter[str]()
    for document in documents():
        judged = judged_of(document)
        num_dropped.update(judged.dropped_by)
        pilot.add(number_of(document.key, f"{seed} pilot"), document.key, judged)
    strata = Strata(thresholds, (judged for _, judged in pilot.items()), num_dropped)
    populations = Counter[str]()
    smallest: dict[str, Smallest] = {}
    for document in documents():
        judged = judged_of(document)
        name = strata.name(judged)
        populations[name] += 1
        if name not in smallest:
            smallest[name] = Smallest(size)
        smallest[name].add(number_of(document.key, f"{seed} sample"), document.key, judged)
    wanted = allocation(populations, size)
    chosen = {key: name for name, kept in smallest.items() for key, _ in kept.items()[: wanted[name]]}
    found = [(chosen[document.key], document) for document in documents() if document.key in chosen]
    found.sort(key=lambda item: number_of(item[1].key, f"{seed} order"))
    return Drawn(populations=dict(sorted(populations.items())), documents=found)


def judged_of(document: Document) -> Judged:
    """What the filters said of it."""
    return Judged(
        values={
            name: verdict.value for name, verdict in document.verdicts.items() if verdict.value is not None
        },
        dropped_by=tuple(name for name, verdict in document.verdicts.items() if not verdict.kept),
    )


def number_of(key: Key, salt: str) -> int:
    """A number of 128 bits, as good as drawn."""
    told = f"{salt}\0{key[0]}\0{key[1]}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(told, digest_size=16).digest(), "big")
