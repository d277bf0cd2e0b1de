"""fastText models with a label for each of many kinds of text: learned, and measured on a tenth held out."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pretrain.curation.fast_text import FastTextRecipe, train
from pretrain.curation.word_hashes import word_hash
from pretrain.failures import ProgramError

HELD_OUT = 10
"""One text in so many, drawn by content."""

Guesser = Callable[[str], str]
"""The label of a text."""


def train_and_measure(
    examples: Sequence[tuple[str, str]],
    recipe: FastTextRecipe,
    out: Path,
    seed: int,
    guesser: Callable[[Path], Guesser],
    what: str,
) -> dict[str, Any]:  # Any: plain values
    """Learn (label, text) examples; {"num_texts", "accuracy", "by_label"}, accuracies on held-out texts.

    `guesser` reads the model. Raises ProgramError where there is too little, `what` being the labels' plural.
    """
    held_out = [pair for pair in examples if word_hash(pair[1]) % HELD_OUT == 0]
    learned = [pair for pair in examples if word_hash(pair[1]) % HELD_OUT]
    if len({label for label, _ in learned}) < 2 or not held_out:
        raise ProgramError(f"A model takes texts of two {what} or more, some hundred of each: give more.")
    train(learned, recipe, out, seed)
    guess = guesser(out)
    total, right = Counter[str](), Counter[str]()
    for label, text in held_out:
        total[label] += 1
        right[label] += guess(text) == label
    return {
        "num_texts": len(learned),
        "accuracy": right.total() / total.total(),
        "by_label": {label: right[label] / total[label] for label in sorted(total)},
    }
