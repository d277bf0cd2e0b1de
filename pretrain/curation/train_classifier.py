"""`python -m pretrain.curation.train_classifier run.json`: a calibrated classifier from labelled texts.

Quality, code, reasoning, a kind of knowledge: one program, other labels. Comes in: JSON lines
`{"text", "label"}`, where true is what the classifier looks for; people's labels and a judge's look the same.
`"weight"` says how many documents each stands for.
"""

from collections.abc import Iterator
from pathlib import Path

from pydantic import Field, ValidationError

from pretrain.curation.classifier import LabelledText, train_classifier
from pretrain.curation.fast_text import FastTextRecipe
from pretrain.curation.urls import read_lines
from pretrain.failures import ProgramError
from pretrain.run import ProgramConfig, RunFolder, program_main


class TrainClassifierConfig(ProgramConfig):
    """Result: {"num_documents", "accuracy", "area_under_curve", "brier", "expected_error"}, measured on the
    sixth of the documents that nothing was learned from."""

    labels: tuple[Path, ...] = Field(min_length=1)
    out: Path
    """The folder of the classifier."""
    recipe: FastTextRecipe = FastTextRecipe()
    seed: int = 1


def run(config: TrainClassifierConfig, folder: RunFolder) -> None:
    """Train, calibrate, measure."""
    measured = train_classifier(labelled(config.labels), config.recipe, config.out, config.seed)
    folder.finish(measured.model_dump())


def labelled(paths: tuple[Path, ...]) -> Iterator[LabelledText]:
    """The labelled texts of the files. Raises ProgramError with the line that is none."""
    for path in paths:
        for number, line in enumerate(read_lines([path]), start=1):
            try:
                yield LabelledText.model_validate_json(line)
            except ValidationError as error:
                told = "give JSON with text and label (true or false)"
                raise ProgramError(f"{path}, line {number}: {told}.") from error


if __name__ == "__main__":
    program_main(TrainClassifierConfig, run)
