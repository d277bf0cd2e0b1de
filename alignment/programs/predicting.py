"""The configuration of the program that says which answers a reward model would prefer."""

from pathlib import Path

from pydantic import Field

from alignment.programs.sampling import EngineConfig
from pretrain.run import ProgramConfig

PREDICTIONS = "predictions.jsonl"
"""The file in the run folder with a Prediction a line."""


class PredictConfig(ProgramConfig):
    """`python -m alignment.sampling.predicting`: how likely the left answer of each comparison is preferred.

    Appends Predictions to `predictions.jsonl` in its run folder. Result: {"num_comparisons"}.
    """

    reward_model: Path
    comparisons: Path
    """JSONL of ShownPairs."""
    temperature: float = Field(default=1.0, gt=0)
    """What margins are divided by (`alignment.calibration`)."""
    engine: EngineConfig = EngineConfig()
