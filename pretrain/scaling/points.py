"""What is known of each run of a sweep, as the sweep writes it or as others did: `points.jsonl`."""

import json
from collections.abc import Sequence
from pathlib import Path

from pydantic import Field, ValidationError

from pretrain.failures import ProgramError, broken_field
from pretrain.run import ProgramConfig, write_atomically


class RunPoint(ProgramConfig):
    """One run that was trained at a budget."""

    budget: float = Field(gt=0, allow_inf_nan=False)
    """FLOPs that the runs of one parabola share."""
    num_tokens: float = Field(gt=0, allow_inf_nan=False)
    """Tokens it was trained on."""
    loss: float = Field(allow_inf_nan=False)
    """Held-out negative log-likelihood; the unit is the user's, the sweep's is nats per character."""
    answer_nll: float | None = Field(default=None, allow_inf_nan=False)
    """Mean negative log-likelihood of the tasks' right answers, nats per character."""
    accuracy: float | None = Field(default=None, ge=0, le=1)
    """Share of the tasks whose right answer is the likeliest."""
    num_parameters: int | None = Field(default=None, ge=1)


class OtherModel(ProgramConfig):
    """A model that is no run of the sweep, such as an older one, for the sigmoid alone."""

    answer_nll: float = Field(allow_inf_nan=False)
    accuracy: float = Field(ge=0, le=1)


def read_points(path: Path) -> list[RunPoint]:
    """Runs from JSON lines. Raises ProgramError with the line that is wrong."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ProgramError(f"{path} cannot be read ({error}): give a file of JSON lines.") from error
    points: list[RunPoint] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            points.append(RunPoint.model_validate_json(line))
        except ValidationError as error:
            raise ProgramError(f"{path}, line {number}: {broken_field(error)}. Mend the line.") from error
    if not points:
        raise ProgramError(f"There are no runs in {path}: give a JSON object a line, one for each run.")
    return points


def write_points(path: Path, points: Sequence[RunPoint]) -> None:
    """The same as JSON lines."""
    write_atomically(path, "".join(json.dumps(point.model_dump()) + "\n" for point in points))
