"""Groups of near-duplicates from MinHash signatures, in bounded memory and whatever the order of documents.

Comes in: signatures of N documents (a memory map will do) by rows. Goes out: for each document the number of
its group. Documents that share a band's key are candidates; where the signatures agree in `min_similarity`
of their hashes the two are joined, and groups are what is joined directly or over others. One band is looked
at at a time, and of it one range of keys: memory is 8 bytes a document for the groups, and
`documents_at_once` keys with their documents.
"""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from pretrain.curation.minhash import Signer

MAX_ALL_PAIRS = 512
"""A bucket of more different signatures is compared in the order of its signatures, each with the first
and with as many before it as PAIRS_BEFORE: all pairs would take the square of its size."""
PAIRS_BEFORE = 64
DOCUMENTS_AT_ONCE = 4_000_000
ROWS_AT_ONCE = 65_536

Places = NDArray[np.int64]
Signatures = NDArray[np.uint32]


class Groups:
    """Union-find over N documents, by halving paths; a group is named by its lowest document."""

    def __init__(self, num: int) -> None:
        self._parents = np.arange(num, dtype=np.int64)

    def find(self, place: int) -> int:
        """The lowest document of the group."""
        parents = self._parents
        while parents[place] != place:
            parents[place] = parents[parents[place]]
            place = int(parents[place])
        return place

    def join(self, one: int, other: int) -> None:
        """Make one group of two."""
        low, high = sorted((self.find(one), self.find(other)))
        self._parents[high] = low

    def all(self) -> Places:
        """(N,): each document's group."""
        parents = self._parents
        while (parents[parents] != parents).any():
            parents = parents[parents]
        self._parents = parents
        return parents


def group(
    signatures_NH: Signatures,
    signer: Signer,
    *,
    documents_at_once: int = DOCUMENTS_AT_ONCE,
    on_band: Callable[[int], None] = lambda band: None,
) -> Places:
    """(N,): the lowest place of each document's group; `on_band` is told the number of bands done."""
    groups = Groups(len(signatures_NH))
    num_ranges = -(-len(signatures_NH) // documents_at_once)
    for band in range(signer.recipe.bands):
        for part in range(num_ranges):
            for places in buckets(signatures_NH, signer, band, part, num_ranges):
                join_alike(groups, places, signatures_NH, signer.recipe.min_similarity)
        on_band(band + 1)
    return groups.all()


def buckets(
    signatures_NH: Signatures,
    signer: Signer,
    band: int,
    part: int,
    num_ranges: int,
) -> Iterator[Places]:
    """The documents of each key that several have, among the keys of one of `num_ranges` equal parts."""
    found_keys, found_places = [], []
    for start in range(0, len(signatures_NH), ROWS_AT_ONCE):
        keys = signer.band_keys(signatures_NH[start : start + ROWS_AT_ONCE], band)
        own = np.flatnonzero(keys % np.uint64(num_ranges) == part)
        found_keys.append(keys[own])
        found_places.append(own + start)
    keys, places = np.concatenate(found_keys), np.concatenate(found_places)
    order = np.argsort(keys, kind="stable")
    keys, places = keys[order], places[order]
    starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    ends = np.append(starts[1:], len(keys))
    for place in np.flatnonzero(ends - starts > 1):
        yield places[starts[place] : ends[place]]


def join_alike(groups: Groups, places: Places, signatures_NH: Signatures, least: float) -> None:
    """Join the documents of one bucket that are alike enough."""
    distinct, inverse = np.unique(signatures_NH[places], axis=0, return_inverse=True)
    first = np.full(len(distinct), -1, dtype=np.int64)
    for place, number in zip(places.tolist(), inverse.reshape(-1).tolist(), strict=True):
        if first[number] < 0:
            first[number] = place
        else:
            groups.join(int(first[number]), place)
    is_large = len(distinct) > MAX_ALL_PAIRS
    for number in range(1, len(distinct)):
        begin = max(0, number - PAIRS_BEFORE) if is_large else 0
        others = np.arange(begin, number)
        if begin:
            others = np.concatenate([[0], others])
        alike = others[(distinct[others] == distinct[number]).mean(axis=1) >= least]
        for other in alike.tolist():
            groups.join(int(first[number]), int(first[other]))
