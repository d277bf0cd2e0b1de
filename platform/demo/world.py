"""The small world: invented people with properties, drawn from a seed.

Pure. The same seed gives the same world everywhere, so that the pretraining corpus, the simulated
annotators and the final evaluation agree on the facts while sharing nothing but the seed.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass

from demo.words import PREDICATES, PROPERTIES, SYLLABLE_CONSONANTS, SYLLABLE_VOWELS


@dataclass(frozen=True, kw_only=True)
class World:
    """Who lives in the world, and what is true of them."""

    seed: int
    names: tuple[str, ...]
    facts: Mapping[str, Mapping[str, str]]
    """Name to property to value: `facts["Mila"]["colour"] == "red"`."""

    def statement(self, name: str, *properties: str) -> str:
        """What is true of `name`, as one sentence over one or two properties."""
        parts = [PREDICATES[each].format(self.facts[name][each]) for each in properties]
        return f"{name} {' and '.join(parts)}."


def world_of(seed: int, num_names: int) -> World:
    """The world of `seed` with `num_names` people (at most 720, the number of possible names)."""
    draw = random.Random(f"world {seed}")
    names = tuple(_names(draw, num_names))
    facts = {name: {each: draw.choice(values) for each, values in PROPERTIES.items()} for name in names}
    return World(seed=seed, names=names, facts=facts)


def _names(draw: random.Random, count: int) -> list[str]:
    """Invented names of two syllables, no two of which begin with the same syllable if it can be helped."""
    syllables = [c + v for c in SYLLABLE_CONSONANTS for v in SYLLABLE_VOWELS]
    firsts: list[str] = []
    while len(firsts) < count:
        firsts.extend(draw.sample(syllables, len(syllables)))
    return [
        (first + draw.choice(SYLLABLE_CONSONANTS) + draw.choice("aio")).capitalize()
        for first in firsts[:count]
    ]
