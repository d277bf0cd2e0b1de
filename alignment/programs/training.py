"""The configurations of reward model, SFT and DPO."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from alignment.programs.parts import OutputPath, Part
from annotation.records import Strength
from pretrain.run import ProgramConfig

Precision = Literal["fp32", "bf16", "pure_bf16"]
"""bf16 is autocast over fp32 weights; pure_bf16 has weights, gradients and moments in bf16, for half of the
memory, and rounds updates at random (pretrain.rounded_adamw)."""


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
    """AdamW's, in every step a part of the learning rate."""
    beta2: float = Field(default=0.99, gt=0, lt=1)
    """Decay of AdamW's second moment."""
    max_grad_norm: float = Field(default=1.0, gt=0)
    """Longer gradients are cut to this norm."""


class LoraConfig(ProgramConfig):
    """Low-rank adapters in place of whole weights (Hu et al. 2021), merged into the checkpoint."""

    rank: int = Field(default=16, ge=1)
    """Columns of the adapters' factors."""
    alpha: float = Field(default=32.0, gt=0)
    """The adapters' product is scaled by alpha / rank."""
    targets: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    """Names, or ends of names, of the linear layers that get an adapter."""


class TrainingConfig(ProgramConfig):
    """What the three training programs have in common."""

    initial: Path
    """The checkpoint folder to start from: the base for reward model and SFT, the SFT model for DPO."""
    train: Path
    """JSONL of training records."""
    out: OutputPath
    optimizer: OptimizerConfig
    seed: int
    max_tokens_per_microbatch: int = Field(default=4096, ge=16)
    """Padded tokens in one forward pass."""
    max_row_tokens: int = Field(default=2048, ge=16)
    """Longer examples are left out, and counted in the result."""
    precision: Precision = "fp32"
    num_threads: int = Field(default=1, ge=1)
    """torch threads of one process."""
    num_processes: int = Field(default=1, ge=1)
    """Processes that share the weights and the microbatches of one training, on one machine."""
    checkpoint_seconds: Annotated[float, Part.NEUTRAL] = Field(default=300, gt=0)
    """How often to checkpoint for resuming."""
    device: Literal["auto", "cuda"] = "auto"
    """auto: a GPU where there is one. cuda: a worker without one fails and says so."""
    recompute_activations: bool = False
    """Compute each layer again in the backward pass: a third more time for a fraction of the memory."""
    lora: LoraConfig | None = None
    """None trains all weights."""

    @model_validator(mode="after")
    def _a_row_fits(self) -> Self:
        if self.max_row_tokens > self.max_tokens_per_microbatch:
            raise ValueError(
                f"A row may hold {self.max_row_tokens} tokens, one forward pass "
                f"{self.max_tokens_per_microbatch}: raise max_tokens_per_microbatch or lower max_row_tokens."
            )
        return self


class RewardConfig(TrainingConfig):
    """`python -m alignment.training.reward`: PreferenceRecords to a scalar-head model.

    Result: {"num_examples", "num_skipped", "num_steps", "num_tokens", "loss", "holdout":
    {"accuracy", "low", "high", "num_pairs", "by_strength": {strength: {...}}} or null}.
    """

    holdout: Path | None = None
    """JSONL of held-out PreferenceRecords to measure accuracy on."""
    margins: dict[Strength, float] = {}
    """How far the better response must be ahead, by strength (Llama 2's margin term); none in Llama 3."""
    centering: float = Field(default=0.0, ge=0)
    """Weight of the term that keeps rewards around zero; 0.01 is usual where it is used."""
    plain_rows: bool = False
    """Llama 3's plain concatenation of the responses in random order, not exact rows: for ablation."""


class SftConfig(TrainingConfig):
    """`python -m alignment.training.sft`: SftExamples, loss on the response only.

    Result: {"num_examples", "num_skipped", "num_steps", "num_tokens", "loss", "sources": {source: examples
    in an epoch}}.
    """

    mix: dict[str, float] = {}
    """How often an epoch sees each example of a source; once where the source is not named."""


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
    preference_term: Literal["dpo", "ipo"] = "dpo"
    """IPO where judgements hardly ever disagree and DPO would run off."""
    label_smoothing: float = Field(default=0.0, ge=0, lt=0.5)
    """The part of judgements taken to be the wrong way round; with the term of DPO only."""
    reference_cache: Annotated[Path | None, Part.CACHE] = None
    """Where the reference's log-probabilities are kept, for all variants of a round; None: the run folder."""
    reference_train: Path | None = None
    """JSONL that holds the records of all variants which share the cache: whoever comes first computes them
    all, so that no variant's last bits depend on who that was; None: `train`."""
