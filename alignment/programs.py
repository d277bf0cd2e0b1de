"""The configuration of every alignment program: what a stage writes into `run.json`.

Pure: read by the Django side, which writes it, and by the torch and vLLM programs, which obey it.
Paths are absolute. `out` names a checkpoint folder to create (a Hugging Face folder), unless said
otherwise. Each program's result.json is described beside its configuration.
"""

from pathlib import Path
from typing import Literal

from pydantic import Field

from pretrain.run import ProgramConfig

Precision = Literal["fp32", "bf16"]


class OptimizerConfig(ProgramConfig):
    """AdamW and its schedule, shared by the reward model, SFT and DPO."""

    learning_rate: float = Field(gt=0)
    """Peak learning rate."""
    num_epochs: float = Field(gt=0)
    """Passes over the data; the last step may be cut short."""
    batch_size: int = Field(ge=1)
    """Examples (rows) per optimizer step."""
    warmup_fraction: float = Field(default=0.05, ge=0, le=1)
    """Part of all steps spent on linear warm-up."""
    final_fraction: float = Field(default=0.1, ge=0, le=1)
    """The last step's learning rate as a part of the peak (linear decay)."""
    weight_decay: float = Field(default=0.0, ge=0)
    beta2: float = Field(default=0.99, gt=0, lt=1)
    max_grad_norm: float = Field(default=1.0, gt=0)


class TrainingConfig(ProgramConfig):
    """What the three training programs have in common."""

    initial: Path
    """The checkpoint folder to start from: the base for reward model and SFT, the SFT model for DPO."""
    train: Path
    """JSONL of training records."""
    out: Path
    optimizer: OptimizerConfig
    seed: int
    max_tokens_per_microbatch: int = Field(default=4096, ge=16)
    """Padded tokens in one forward pass."""
    max_row_tokens: int = Field(default=2048, ge=16)
    """Longer examples are left out, and counted in the result."""
    precision: Precision = "fp32"
    num_threads: int = Field(default=1, ge=1)
    """torch threads of this process."""
    checkpoint_seconds: float = Field(default=300, gt=0)
    """How often to checkpoint for resuming."""


class RewardConfig(TrainingConfig):
    """`python -m alignment.training.reward`: PreferenceRecords to a scalar-head model.

    Result: {"num_examples", "num_skipped", "num_steps", "num_tokens", "loss", "holdout":
    {"accuracy", "low", "high", "num_pairs", "by_strength": {strength: {...}}} or null}.
    """

    holdout: Path | None = None
    """JSONL of held-out PreferenceRecords to measure accuracy on."""


class SftConfig(TrainingConfig):
    """`python -m alignment.training.sft`: SftExamples, loss on the response only.

    Result: {"num_examples", "num_skipped", "num_steps", "num_tokens", "loss"}.
    """


class DpoConfig(TrainingConfig):
    """`python -m alignment.training.dpo`: PreferenceRecords, best against each worse response.

    `initial` is also the frozen reference. Result: as SFT's, with "accuracy" and "margin" of the last
    tenth of the steps.
    """

    beta: float = Field(default=0.1, gt=0)
    """Strength of the pull towards the reference."""
    nll_coefficient: float = Field(default=0.2, ge=0)
    """Weight of the negative log-likelihood of the chosen response."""
    mask_format_tokens: bool = True
    """Leave header and termination tokens out of the preference term (Llama 3, section 4.1.4)."""


class AverageConfig(ProgramConfig):
    """`python -m alignment.training.average`: the mean of several checkpoints, in fp32.

    Result: {"num_checkpoints", "num_tensors"}.
    """

    checkpoints: tuple[Path, ...] = Field(min_length=1)
    weights: tuple[float, ...] | None = None
    """One for each checkpoint, summing to 1; None is uniform."""
    out: Path


class EngineConfig(ProgramConfig):
    """How vLLM runs inside the sampling programs."""

    num_threads: int = Field(default=2, ge=1)
    kv_cache_gib: float = Field(default=1.0, gt=0)
    max_model_len: int | None = Field(default=None, ge=16)
    """None: the model's own limit."""
    gpu_memory_fraction: float = Field(default=0.85, gt=0, le=1)
    """Of the GPU's memory, where there is one."""


class SamplingConfig(ProgramConfig):
    """How answers are drawn."""

    temperature: float = Field(default=1.0, ge=0)
    top_p: float = Field(default=1.0, gt=0, le=1)
    max_tokens: int = Field(ge=1)
    seed: int = 0


class RejectionConfig(ProgramConfig):
    """`python -m alignment.sampling.rejection`: K answers a prompt, scored, the best marked.

    Writes CandidateSets to `out` (JSONL, appended prompt by prompt: a killed program goes on where it
    was). Result: {"num_prompts", "num_tokens", "mean_reward", "mean_best_reward",
    "reward_by_k": {k: mean reward of the best of the first k}}.
    """

    policy: Path
    reward_model: Path
    prompts: Path
    """JSONL of PromptRecords."""
    num_candidates: int = Field(ge=2)
    """K."""
    sampling: SamplingConfig
    engine: EngineConfig = EngineConfig()
    out: Path
    """The JSONL of CandidateSets."""


class EvaluationConfig(ProgramConfig):
    """`python -m alignment.sampling.evaluation`: held-out answers of policies, the reward model's accuracy.

    Writes SampledAnswers to `answers`. The first policy is the candidate; the others are compared with it.
    Result: {"num_tokens", "reward_model": {"accuracy", "low", "high", "num_pairs", "by_strength"} or null,
    "mean_reward": {policy: …}, "win_rate": {policy: {"value", "low", "high", "comparisons"}} of the first
    policy over each other by the reward model (a proxy), "mean_tokens": {policy: …}}.
    """

    policies: dict[str, Path] = Field(min_length=1)
    """Checkpoint folders by the name to write into the answers, in order."""
    reward_model: Path
    prompts: Path
    """JSONL of held-out PromptRecords."""
    holdout: Path | None = None
    """JSONL of held-out PreferenceRecords for the reward model's accuracy."""
    samples_per_prompt: int = Field(default=1, ge=1)
    sampling: SamplingConfig
    engine: EngineConfig = EngineConfig()
    answers: Path


class ServeConfig(ProgramConfig):
    """`python -m alignment.sampling.serve`: one checkpoint behind vLLM's OpenAI-compatible server.

    Runs until it is told to stop; writes no result.
    """

    checkpoint: Path
    served_name: str
    host: str = "127.0.0.1"
    port: int
    engine: EngineConfig = EngineConfig()
