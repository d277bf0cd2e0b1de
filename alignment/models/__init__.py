"""A round is rows: the round, its stages, their programs, the snapshot it trained on, the gate's pairs."""

from alignment.models.artifact import Artifact, Content
from alignment.models.forecast import RoundForecast, SpeedTrial
from alignment.models.gate_pair import GatePair
from alignment.models.model_comparison import ModelComparison
from alignment.models.prediction_run import PredictionRun
from alignment.models.program import Program
from alignment.models.round import Round, Snapshot, Stage

__all__ = [
    "Artifact",
    "Content",
    "GatePair",
    "ModelComparison",
    "PredictionRun",
    "Program",
    "Round",
    "RoundForecast",
    "Snapshot",
    "SpeedTrial",
    "Stage",
]
