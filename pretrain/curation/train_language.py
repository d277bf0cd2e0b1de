"""`python -m pretrain.curation.train_language run.json`: a fastText model for language identification.

Comes in: JSON lines `{"text", "lang"}`. A tenth, drawn by content, is held out and measured. Characters in
words are the features (Joulin et al. 2016; lid.176 does the same). A ready model can stand in its place.
"""

import json
from collections import Counter
from pathlib import Path

from pydantic import Field

from pretrain.curation.fast_text import FastTextRecipe, train
from pretrain.curation.languages import LanguageModel
from pretrain.curation.urls import read_lines
from pretrain.curation.word_hashes import word_hash
from pretrain.failures import ProgramError
from pretrain.run import ProgramConfig, RunFolder, program_main

HELD_OUT = 10
"""One text in so many."""


class TrainLanguageConfig(ProgramConfig):
    """Result: {"num_texts", "num_languages", "accuracy", "accuracy_by_language"}, on held-out texts."""

    texts: tuple[Path, ...] = Field(min_length=1)
    out: Path
    """The model's file."""
    recipe: FastTextRecipe = FastTextRecipe(
        epochs=5, word_ngrams=1, min_characters=2, max_characters=4, buckets=500_000
    )
    seed: int = 1


def run(config: TrainLanguageConfig, folder: RunFolder) -> None:
    """Train and measure."""
    examples: list[tuple[str, str]] = []
    for path in config.texts:
        for number, line in enumerate(read_lines([path]), start=1):
            try:
                row = json.loads(line)
                examples.append((row["lang"], row["text"]))
            except (ValueError, KeyError, TypeError) as error:
                raise ProgramError(f"{path}, line {number}: give JSON with text and lang.") from error
    held_out = [pair for pair in examples if word_hash(pair[1]) % HELD_OUT == 0]
    learned = [pair for pair in examples if word_hash(pair[1]) % HELD_OUT]
    if len({code for code, _ in learned}) < 2 or not held_out:
        raise ProgramError("A model takes texts of two languages or more, some hundred of each: give more.")
    train(learned, config.recipe, config.out, config.seed)
    model = LanguageModel(config.out)
    total, right = Counter[str](), Counter[str]()
    for code, text in held_out:
        total[code] += 1
        right[code] += model.guess(text).code == code
    folder.finish(
        {
            "num_texts": len(learned),
            "num_languages": len({code for code, _ in learned}),
            "accuracy": right.total() / total.total(),
            "accuracy_by_language": {code: right[code] / total[code] for code in sorted(total)},
        }
    )


if __name__ == "__main__":
    program_main(TrainLanguageConfig, run)
