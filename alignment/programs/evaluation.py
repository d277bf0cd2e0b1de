"""The configurations of the programs that evaluate a round's models."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from alignment.programs.parts import CachePath, OutputPath
from alignment.programs.quality import JudgeConfig
from alignment.programs.sampling import EngineConfig, SamplingConfig
from pretrain.run import ProgramConfig


class EvaluationConfig(ProgramConfig):
    """`python -m alignment.sampling.evaluation`: held-out answers of policies, the reward model's accuracy.

    Writes SampledAnswers to `answers`. The first policy is the candidate; the others are compared with it.
    Result: {"num_tokens", "reward_model": {"accuracy", "low", "high", "num_pairs", "by_strength"} or null,
    "calibration": alignment.calibration's figures or null, "mean_reward": {policy: …}, "win_rate": {policy:
    {"value", "low", "high", "comparisons", "length_controlled": {"value", "low", "high", "length_effect"}}}
    of the first policy over each other by the reward model (a proxy), "mean_tokens": {policy: …}, "kl":
    {reference: alignment.divergence's figures} of the first policy}.
    """

    policies: dict[str, Path] = Field(min_length=1)
    """Checkpoint folders by the name to write into the answers, in order."""
    references: dict[str, Path] = {}
    """Checkpoint folders, by name, from which the first policy's KL divergence is measured."""
    reward_model: Path
    prompts: Path
    """JSONL of held-out PromptRecords."""
    holdout: Path | None = None
    """JSONL of held-out PreferenceRecords for the reward model's accuracy."""
    samples_per_prompt: int = Field(default=1, ge=1)
    sampling: SamplingConfig
    engine: EngineConfig = EngineConfig()
    answers: OutputPath


class OutsideJudgeConfig(ProgramConfig):
    """`python -m alignment.sampling.outside_judge`: an outside judge's opinion of a round's answers.

    Result: {"by", "win_rate": {policy: {"value", "low", "high", "comparisons", "length_controlled",
    "num_flipped", "num_unusable"}} of the first policy over each other, every pair judged in both orders,
    "best_of_k": alignment.over_optimisation's figures or null}.
    """

    judge: JudgeConfig
    answers: Path
    """JSONL of the evaluation's SampledAnswers, the candidate's first."""
    prompts: Path
    """JSONL of the PromptRecords that they answer."""
    num_prompts: int = Field(ge=1)
    """Prompts whose answers are compared."""
    candidates: Path | None = None
    """JSONL of rejection sampling's CandidateSets, for best-of-K; None leaves it out."""
    best_of_k_prompts: int = Field(default=0, ge=0)
    """Prompts whose candidates are graded."""
    verdicts: CachePath
    """JSONL of the judge's Verdicts, appended one by one."""
    grades: CachePath
    """JSONL of the judge's Grades, appended one by one."""


HARNESS_TABLE = "harness.md"
"""The file in the run folder with lm-eval's own table."""


class HarnessConfig(ProgramConfig):
    """`python -m alignment.sampling.harness`: a checkpoint on public benchmarks, by lm-evaluation-harness.

    Result: {"lm_eval": its version, "backend", "tasks": {name: {"num_examples", "metrics": {name: {"value",
    "standard_error"}}}}}.
    """

    checkpoint: Path
    tasks: tuple[str, ...] = Field(min_length=1)
    """Names that lm-eval knows, or that YAML files in `task_folder` give."""
    task_folder: Path | None = None
    num_fewshot: int | None = Field(default=None, ge=0)
    """None: each task's own number."""
    limit: int | None = Field(default=None, ge=1)
    """Examples of each task; None takes all."""
    chat: bool = False
    """Ask in the model's chat template, not as plain text."""
    backend: Literal["hf", "vllm"] = "hf"
    device: str = "cpu"
    """cpu or cuda."""
    batch_size: int = Field(default=8, ge=1)
    num_threads: int = Field(default=2, ge=1)
    max_model_len: int | None = Field(default=None, ge=16)
    """None: the model's own limit."""
