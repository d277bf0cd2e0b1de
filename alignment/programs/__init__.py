"""The configuration of every alignment program: what a stage writes into `run.json`.

Pure: read by the Django side, which writes it, and by the torch and vLLM programs, which obey it.
Paths are absolute. `out` names a checkpoint folder to create (a Hugging Face folder), unless said
otherwise. Each program's result.json is described beside its configuration.
"""

from alignment.programs.averaging import (
    AverageConfig,
    AverageMethod,
    EmaMethod,
    GreedySoupMethod,
    MeanMethod,
    SlerpMethod,
    TiesMethod,
)
from alignment.programs.evaluation import HARNESS_TABLE, EvaluationConfig, HarnessConfig, OutsideJudgeConfig
from alignment.programs.labelling import LabelDocumentsConfig
from alignment.programs.predicting import PREDICTIONS, PredictConfig
from alignment.programs.quality import JudgeConfig, QualityConfig
from alignment.programs.sampling import (
    EngineConfig,
    GatherConfig,
    RejectionConfig,
    SamplingConfig,
    ServeConfig,
)
from alignment.programs.training import (
    DpoConfig,
    LoraConfig,
    OptimizerConfig,
    Precision,
    RewardConfig,
    SftConfig,
    TrainingConfig,
)

__all__ = [
    "HARNESS_TABLE",
    "PREDICTIONS",
    "AverageConfig",
    "AverageMethod",
    "DpoConfig",
    "EmaMethod",
    "EngineConfig",
    "EvaluationConfig",
    "GatherConfig",
    "GreedySoupMethod",
    "HarnessConfig",
    "JudgeConfig",
    "LabelDocumentsConfig",
    "LoraConfig",
    "MeanMethod",
    "OptimizerConfig",
    "OutsideJudgeConfig",
    "Precision",
    "PredictConfig",
    "QualityConfig",
    "RejectionConfig",
    "RewardConfig",
    "SamplingConfig",
    "ServeConfig",
    "SftConfig",
    "SlerpMethod",
    "TiesMethod",
    "TrainingConfig",
]
