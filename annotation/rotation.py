"""Which prompts are asked next: least used first, by the weights of their domains and languages. Pure."""

import itertools
import random
from collections.abc import Iterator, Mapping, Sequence

Group = tuple[str, str]
"""Domain and language."""


def prompt_rotation(
    counted: Sequence[tuple[int, Group, int]], weights: Mapping[Group, float], *, seed: int, drawn: int = 0
) -> Iterator[int]:
    """Keys of prompts, again and again; nothing where there is none to ask.

    `counted` has each prompt's key, group and how often it was used. Without weights the least used come
    first, else in an order drawn by `seed`. With some, each time a group is drawn in proportion to its
    weight (1 where it has none, never at 0), and the rotation holds within it. `drawn` tells calls with one
    seed apart: how many prompts were drawn before.
    """
    shuffled = list(counted)
    random.Random(seed).shuffle(shuffled)
    ordered = sorted(shuffled, key=lambda prompt: prompt[2])
    if not weights:
        return itertools.cycle([key for key, _, _ in ordered])
    by_group: dict[Group, list[int]] = {}
    for key, group, _ in ordered:
        by_group.setdefault(group, []).append(key)
    shares = {group: weights.get(group, 1.0) for group in sorted(by_group)}
    asked = {group: share for group, share in shares.items() if share > 0}
    return _weighted(asked, by_group, random.Random(f"{seed}/{drawn}")) if asked else iter(())


def _weighted(
    shares: Mapping[Group, float], by_group: Mapping[Group, Sequence[int]], draw: random.Random
) -> Iterator[int]:
    groups = list(shares)
    turns = {group: itertools.cycle(by_group[group]) for group in groups}
    while True:
        (group,) = draw.choices(groups, weights=list(shares.values()))
        yield next(turns[group])
