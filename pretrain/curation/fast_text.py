"""fastText (Joulin et al., Bag of Tricks for Efficient Text Classification, 2016): training and loading.

One thread, so that the same examples in the same order give the same model.
"""

import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from pretrain.failures import ProgramError

LABEL = "__label__"
ZEROED_MEMORY = "MALLOC_PERTURB_=255"
"""With one thread fastText sets the first tenth of its matrix and takes the rest as the memory is, which may
hold NaN. glibc then gives memory of zeros: every training begins with the same numbers."""


class FastTextRecipe(BaseModel):
    """How a model learns."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int = Field(default=10, ge=1)
    learning_rate: float = Field(default=0.5, gt=0)
    dimensions: int = Field(default=16, ge=2)
    word_ngrams: int = Field(default=2, ge=1)
    """Runs of so many words are features."""
    min_characters: int = Field(default=0, ge=0)
    max_characters: int = Field(default=0, ge=0)
    """Runs of so many characters in words are features; 0: none."""
    buckets: int = Field(default=200_000, ge=1)
    """Places for the features that are runs."""


def train(examples: Iterable[tuple[str, str]], recipe: FastTextRecipe, path: Path, seed: int) -> None:
    """Learn (label, text) examples in an order that the seed draws; the model is written whole or not."""
    lines = [f"{LABEL}{label} {one_line(text)}\n" for label, text in examples]
    random.Random(seed).shuffle(lines)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "examples.txt"
        written.write_text("".join(lines), encoding="utf-8", errors="replace")
        aside = path.with_name(f".{path.name}.{os.getpid()}.writing")
        try:
            told = [str(written), str(aside), recipe.model_dump_json(), str(seed)]
            program = [sys.executable, "-m", "pretrain.curation.fast_text_training", *told]
            run = subprocess.run(["env", ZEROED_MEMORY, *program], capture_output=True, text=True)
            if run.returncode:
                last = run.stderr.strip().splitlines()[-1:]
                raise ProgramError(f"fastText could not learn: {''.join(last)}. Give more or other examples.")
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)


def load(path: Path) -> Any:  # Any: fastText is untyped
    """A model. Raises ProgramError where the file is none."""
    import fasttext  # noqa: PLC0415  # the site reads and writes recipes, and has no fastText

    try:
        return fasttext.load_model(str(path))
    except ValueError as error:
        raise ProgramError(f"{path} is no fastText model: give the path of a .bin or .ftz file.") from error


def one_line(text: str) -> str:
    """fastText reads line by line; what it takes for a label's mark is none in a text."""
    return " ".join(text.lower().split()).replace(LABEL, "").encode("utf-8", "replace").decode("utf-8")
