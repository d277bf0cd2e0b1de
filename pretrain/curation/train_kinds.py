"""`python -m pretrain.curation.train_kinds run.json`: a classifier of what documents are about.

Comes in: JSON lines `{"text", "kind"}`, of people or of a judge (`alignment.sampling.label_documents`). A
tenth, drawn by content, is held out and measured.
"""

import json
from pathlib import Path

from pydantic import Field

from pretrain.curation.fast_text import FastTextRecipe
from pretrain.curation.kinds import KindModel
from pretrain.curation.many_labels import Guesser, train_and_measure
from pretrain.curation.urls import read_lines
from pretrain.failures import ProgramError
from pretrain.run import ProgramConfig, RunFolder, program_main


class TrainKindsConfig(ProgramConfig):
    """Result: {"num_texts", "num_kinds", "accuracy", "accuracy_by_kind"}, on held-out texts."""

    labels: tuple[Path, ...] = Field(min_length=1)
    out: Path
    """The model's file."""
    recipe: FastTextRecipe = FastTextRecipe()
    seed: int = 1


def run(config: TrainKindsConfig, folder: RunFolder) -> None:
    """Train and measure."""
    examples: list[tuple[str, str]] = []
    for path in config.labels:
        for number, line in enumerate(read_lines([path]), start=1):
            examples.append(labelled(line, path, number))
    found = train_and_measure(examples, config.recipe, config.out, config.seed, guesser, "kinds")
    by_kind = found.pop("by_label")
    folder.finish(found | {"num_kinds": len(by_kind), "accuracy_by_kind": by_kind})


def labelled(line: str, path: Path, number: int) -> tuple[str, str]:
    """(kind, text) of a line. Raises ProgramError where it is none."""
    try:
        row = json.loads(line)
        kind, text = row["kind"], row["text"]
    except (ValueError, KeyError, TypeError):
        kind, text = None, None
    if not isinstance(kind, str) or not isinstance(text, str) or not kind or len(kind.split()) != 1:
        raise ProgramError(f"{path}, line {number}: give JSON with text and kind, a name without spaces.")
    return kind, text


def guesser(path: Path) -> Guesser:
    """The kind of a text, by a model."""
    model = KindModel(path)
    return lambda text: model.guess(text)[0]


if __name__ == "__main__":
    program_main(TrainKindsConfig, run)
