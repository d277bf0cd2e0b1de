"""Rules with balancing: phrases that models fall into may stay, but in a limited part of the examples.

Pure. Source: The Llama 3 Herd of Models, section 4.2.3: emoji, exclamation marks and apologies are overused,
so their part of the data is balanced.
"""

import math
import re
from collections.abc import Mapping, Sequence

from alignment.quality.funnel import Dropped, dropped
from alignment.quality.recipe import PhraseRule
from alignment.records import SftExample

CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]+`", re.S)
"""Blocks and words of code in Markdown: an exclamation mark there is an operator."""


def balance_phrases(
    examples: Sequence[SftExample], rules: Sequence[PhraseRule], rewards: Mapping[str, float]
) -> tuple[list[SftExample], list[Dropped]]:
    """Drop examples with a rule's phrase until they are at most its share of what is left.

    Of those with a phrase people's own answers stay first, then those with the highest of `rewards` (by
    example id). Rules are applied one after the other. The order of the examples is kept.
    """
    kept, left_out = list(examples), list[Dropped]()
    words_of = {example.id: CODE.sub(" ", example.response) for example in examples}
    for rule in rules:
        pattern = re.compile(rule.pattern, re.IGNORECASE)
        having = [example for example in kept if pattern.search(words_of[example.id])]
        room = allowed(len(kept) - len(having), rule.max_share)
        best_first = sorted(having, key=lambda example: -rewards.get(example.id, math.inf))
        too_many = {example.id for example in best_first[room:]}
        reason = f"overused: {rule.name}"
        left_out += [dropped(example, reason) for example in kept if example.id in too_many]
        kept = [example for example in kept if example.id not in too_many]
    return kept, left_out


def allowed(num_without: int, max_share: float) -> int:
    """How many examples with a phrase may stand beside `num_without` others: at least one unless none may."""
    if max_share == 0:
        return 0
    # A hair more, since 0.1 * 9 / 0.9 is a little below 1.
    return max(1, math.floor(max_share * num_without / (1 - max_share) + 1e-9))
