"""`python -m pretrain.curation.train_language run.json`: a fastText model for language identification.

Comes in: JSON lines `{"text", "lang"}`. A tenth, drawn by content, is held out and measured. Characters in
words are the features (Joulin et al. 2016; lid.176 does the same). A ready model can stand in its place.
"""

import json
from pathlib import Path

from pydantic import Field

from pretrain.curation.fast_text import FastTextRecipe
from pretrain.curation.languages import LanguageModel
from pretrain.curation.many_labels import Guesser, train_and_measure
from pretrain.curation.urls import read_lines
from pretrain.failures import ProgramError
from pretrain.run import ProgramConfig, RunFolder, program_main


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
    found = train_and_measure(examples, config.recipe, config.out, config.seed, guesser, "languages")
    by_language = found.pop("by_label")
    folder.finish(found | {"num_languages": len(by_language), "accuracy_by_language": by_language})


def guesser(path: Path) -> Guesser:
    """The language of a text, by a model."""
    model = LanguageModel(path)
    return lambda text: model.guess(text).code


if __name__ == "__main__":
    program_main(TrainLanguageConfig, run)
