"""A calibrated classifier of texts, learned from labelled documents: good or bad, code, reasoning, knowledge.

The labels come as a file: people's, documents that Wikipedia cites against others, or a judge's, whose
judgements `text, label` are distilled into it (Llama 3, section 3.1.1). A folder holds `model.bin` and
`calibration.json`. A third of the documents, drawn by their content, is learned from by no one: half of it
sets the calibration, half measures it.
"""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from pretrain.curation.calibration import Calibration, CalibrationFigures, figures, fitted
from pretrain.curation.fast_text import LABEL, FastTextRecipe, load, one_line, train
from pretrain.failures import ProgramError

GOOD, BAD = "good", "bad"
MODEL, CALIBRATION = "model.bin", "calibration.json"
PARTS = ("train", "train", "train", "train", "calibrate", "measure")
FEWEST = 20
"""Labelled documents of each kind and part: fewer tell nothing of probabilities."""


class LabelledText(BaseModel):
    """A line of the file of labels."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    text: str
    label: bool
    """Whether it is what the classifier looks for."""
    weight: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    """How many of the documents that it will judge this one stands for, 1 on average: calibration and figures
    heed it, where the labelled documents are no even sample of those."""


class TextClassifier:
    """A trained classifier."""

    def __init__(self, folder: Path) -> None:
        """Raises ProgramError where the folder holds none."""
        self._model = load(folder / MODEL)
        try:
            told = (folder / CALIBRATION).read_text(encoding="utf-8")
            self._calibration = Calibration.model_validate_json(told)
        except (OSError, ValueError) as error:
            raise ProgramError(f"{folder} holds no classifier: train it again.") from error

    def probability(self, text: str) -> float:
        """Of the text being what the classifier looks for."""
        return self._calibration.probability(raw_score(self._model, text))


def train_classifier(
    labelled: Iterable[LabelledText], recipe: FastTextRecipe, folder: Path, seed: int
) -> CalibrationFigures:
    """Learn, calibrate, measure. Raises ProgramError where a kind has too few documents."""
    parts: dict[str, list[LabelledText]] = {part: [] for part in PARTS}
    for example in dict.fromkeys(labelled):
        parts[part_of(example.text)].append(example)
    for part, examples in parts.items():
        num_good = sum(example.label for example in examples)
        if min(num_good, len(examples) - num_good) < FEWEST:
            raise ProgramError(
                f"There are {num_good} good and {len(examples) - num_good} bad documents to {part} with: "
                f"give at least {FEWEST} of each, some {FEWEST * len(PARTS)} in all."
            )
    train(
        ((GOOD if example.label else BAD, example.text) for example in parts["train"]),
        recipe,
        folder / MODEL,
        seed,
    )
    model = load(folder / MODEL)
    scores = {part: [raw_score(model, one.text) for one in parts[part]] for part in ("calibrate", "measure")}
    try:
        calibration = fitted(scores["calibrate"], *labels_and_weights(parts["calibrate"]))
    except ValueError as error:
        raise ProgramError("No labelled document has a weight: give some of them one.") from error
    (folder / CALIBRATION).write_text(calibration.model_dump_json(indent=2), encoding="utf-8")
    return figures(
        [calibration.probability(score) for score in scores["measure"]],
        *labels_and_weights(parts["measure"]),
    )


def labels_and_weights(examples: Sequence[LabelledText]) -> tuple[list[bool], list[float]]:
    """The two columns."""
    return [one.label for one in examples], [one.weight for one in examples]


def part_of(text: str) -> str:
    """By the text alone: a document twice in the file is never on both sides."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return PARTS[int.from_bytes(digest, "big") % len(PARTS)]


def raw_score(model: object, text: str) -> float:
    """fastText's own, uncalibrated probability of GOOD."""
    labels, probabilities = model.predict(one_line(text), k=2)  # type: ignore[attr-defined]  # untyped
    scores = dict(zip(labels, probabilities, strict=True))
    return float(scores.get(LABEL + GOOD, 0.0))
