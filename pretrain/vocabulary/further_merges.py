"""Further merges of byte-pair encoding: what is learned on top of a vocabulary that stays as it is.

Comes in: pieces of text as the base splits them, counted, in the languages to gain and in those to leave
alone. Goes out: merges, most frequent pair first (Sennrich et al. 2016), each of which joins two tokens of
the base or of an earlier merge. Pure.

What keeps the base's languages as they are: the share that a merge's pair has among the tokens to leave alone
may be at most `max_change` of its share among the tokens to gain. As all merges together can save no more
than all tokens to gain, they save at most the share `max_change` of the tokens to leave alone.
"""

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

Pair = tuple[int, int]
Ids = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Merge:
    """Two neighbours that become one token."""

    left: int
    right: int
    token: int
    """The id of the new token."""
    text: str
    """The new token as the vocabulary writes it."""
    parts: Ids
    """The base's tokens that it stands for."""


class CountedPieces:
    """Pieces with how often each was seen, and where in them each pair of neighbours stands."""

    def __init__(self, counted: Mapping[Ids, int]) -> None:
        self._pieces = [list(ids) for ids in counted]
        self._counts = list(counted.values())
        self.num_tokens = sum(len(ids) * count for ids, count in counted.items())
        """Before any merge."""
        self.pairs: dict[Pair, int] = defaultdict(int)
        """How often each pair stands there; overlapping ones count each."""
        self._places: dict[Pair, set[int]] = defaultdict(set)
        for place in range(len(self._pieces)):
            self._count(place, 1)

    def merge(self, pair: Pair, token: int) -> set[Pair]:
        """Replace the pair everywhere; the pairs that this made."""
        made: set[Pair] = set()
        for place in self._places.pop(pair, set()):
            self._count(place, -1)
            piece = replaced(self._pieces[place], pair, token)
            self._pieces[place] = piece
            self._count(place, 1)
            made.update(neighbours for neighbours in pairwise(piece) if token in neighbours)
        self.pairs.pop(pair, None)
        return made

    def _count(self, place: int, sign: int) -> None:
        piece = self._pieces[place]
        change = sign * self._counts[place]
        for pair in pairwise(piece):
            self.pairs[pair] += change
            if sign > 0:
                self._places[pair].add(place)


def learn_merges(
    *,
    gain: CountedPieces,
    leave: CountedPieces,
    texts: Mapping[int, str],
    first_token: int,
    num_merges: int,
    max_change: float,
    min_count: int,
    is_sound: Callable[[str, Ids], bool],
    told: Callable[[int], None],
) -> list[Merge]:
    """At most `num_merges` merges; fewer where no further pair is seen `min_count` times.

    `texts` has the base's tokens by id; no merge makes one of them again, for the base's own merges could
    then go on where the base stops. `is_sound(text, parts)` says whether the base splits the new token's own
    text into these parts. `told(num_done)` is called now and then.
    """
    text_of, parts_of = dict(texts), dict[int, Ids]((token, (token,)) for token in texts)
    taken = set(texts.values())
    merges: list[Merge] = []
    waiting = [(-count, pair) for pair, count in gain.pairs.items() if count >= min_count]
    heapq.heapify(waiting)
    allowed = max_change * leave.num_tokens / max(1, gain.num_tokens)
    while waiting and len(merges) < num_merges:
        count, pair = heapq.heappop(waiting)
        now = gain.pairs.get(pair, 0)
        if -count != now:
            if now >= min_count:
                heapq.heappush(waiting, (-now, pair))
            continue
        text = text_of[pair[0]] + text_of[pair[1]]
        parts = parts_of[pair[0]] + parts_of[pair[1]]
        if text in taken or leave.pairs.get(pair, 0) > allowed * now or not is_sound(text, parts):
            continue
        token = first_token + len(merges)
        merges.append(Merge(left=pair[0], right=pair[1], token=token, text=text, parts=parts))
        text_of[token], parts_of[token] = text, parts
        taken.add(text)
        leave.merge(pair, token)
        for made in gain.merge(pair, token):
            if gain.pairs[made] >= min_count:
                heapq.heappush(waiting, (-gain.pairs[made], made))
        told(len(merges))
    return merges


def replaced(piece: Iterable[int], pair: Pair, token: int) -> list[int]:
    """The piece with the pair, from left to right, replaced by the token."""
    found: list[int] = []
    for part in piece:
        # `found` ends in the pair's left only where that was not part of a replacement just made.
        if part == pair[1] and found and found[-1] == pair[0]:
            found[-1] = token
        else:
            found.append(part)
    return found
