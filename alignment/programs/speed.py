"""The configuration of the speed trial."""

from pathlib import Path

from pydantic import Field

from alignment.programs.sampling import EngineConfig
from alignment.programs.training import Precision
from pretrain.run import ProgramConfig


class SpeedTrialConfig(ProgramConfig):
    """`python -m alignment.sampling.speed_trial`: times a few answers and a few steps of a base.

    Result: {"parameters", "sample_seconds_per_token", "train_seconds_per_token", "device"}: a token drawn in
    a batch of answers, and a token of a forward and backward pass with its share of the update.
    """

    base: Path
    engine: EngineConfig
    precision: Precision
    num_threads: int = Field(ge=1)
    row_tokens: int = Field(default=128, ge=16)
    """Of one row; `num_rows` of them are a step."""
    num_rows: int = Field(default=16, ge=1)
    num_steps: int = Field(default=3, ge=2)
    """The first warms up and does not count."""
    num_answers: int = Field(default=64, ge=1)
    answer_tokens: int = Field(default=32, ge=2)
