"""The configuration of model averaging, and its methods."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from alignment.programs.parts import OutputPath
from pretrain.run import ProgramConfig


class MeanMethod(ProgramConfig):
    """The mean of every weight."""

    name: Literal["mean"] = "mean"


class SlerpMethod(ProgramConfig):
    """The point between the models along the arc, tensor by tensor."""

    name: Literal["slerp"]


class TiesMethod(ProgramConfig):
    """What the models learned since `initial`, without what they contradict each other in."""

    name: Literal["ties"]
    density: float = Field(default=0.2, gt=0, le=1)
    """Part of every tensor's differences, the largest, that is kept."""
    scale: float = Field(default=1.0, gt=0)
    """What the merged difference is multiplied with."""


class EmaMethod(ProgramConfig):
    """The mean, moved slowly from round to round."""

    name: Literal["ema"]
    decay: float = Field(gt=0, lt=1)
    """The part of the round before."""


class GreedySoupMethod(ProgramConfig):
    """The mean of those models that do not make the held-out figure worse, from the best one on."""

    name: Literal["greedy_soup"]


AverageMethod = Annotated[
    MeanMethod | SlerpMethod | TiesMethod | EmaMethod | GreedySoupMethod, Field(discriminator="name")
]


class AverageConfig(ProgramConfig):
    """`python -m alignment.training.average`: one model from several checkpoints, in fp32.

    Result: {"num_checkpoints", "num_tensors"}; of a greedy soup also {"kept": places of the members,
    "metric": "accuracy" or "log_likelihood", "soup": [{"member", metric, "kept"}] in the order in which they
    were tried}.
    """

    checkpoints: tuple[Path, ...] = Field(min_length=1)
    weights: tuple[float, ...] | None = None
    """One for each checkpoint, summing to 1; None is uniform."""
    method: AverageMethod = MeanMethod()
    initial: Path | None = None
    """TIES: the checkpoint from which the others were trained."""
    previous: Path | None = None
    """EMA: the average of the round before; None in the first round, whose average is the mean."""
    holdout: Path | None = None
    """Greedy soup: JSONL of held-out PreferenceRecords."""
    reference: Path | None = None
    """Greedy soup: the checkpoint that the policies were held to in DPO; None where they had none."""
    max_row_tokens: int = Field(default=2048, ge=16)
    """Greedy soup: longer held-out records are left out."""
    num_threads: int = Field(default=1, ge=1)
    out: OutputPath

    @model_validator(mode="after")
    def _method_has_what_it_needs(self) -> Self:
        if self.method.name == "ties" and self.initial is None:
            raise ValueError("TIES needs `initial`, the checkpoint from which the others were trained.")
        if self.method.name == "greedy_soup" and self.holdout is None:
            raise ValueError("A greedy soup needs `holdout`, a file of held-out judgements.")
        if self.method.name == "greedy_soup" and self.weights is not None:
            raise ValueError(
                "A greedy soup chooses its members and averages them uniformly: leave out weights."
            )
        return self
