"""The configuration of every alignment program: what a stage writes into `run.json`.

Pure: read by the Django side, which writes it, and by the torch and vLLM programs, which obey it.
Paths are absolute. `out` names a checkpoint folder to create (a Hugging Face folder), unless said
otherwise. Each program's result.json is described beside its configuration.
"""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from alignment.quality.recipe import QualityRecipe
from alignment.rejection.recipe import Domains, LanguageCheck, SystemPrompts
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
    beta2: float = Field(default=0.99, gt=0, lt=1)
    max_grad_norm: float = Field(default=1.0, gt=0)


class LoraConfig(ProgramConfig):
    """Low-rank adapters in place of whole weights (Hu et al. 2021), merged into the checkpoint."""

    rank: int = Field(default=16, ge=1)
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
    out: Path
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
    checkpoint_seconds: float = Field(default=300, gt=0)
    """How often to checkpoint for resuming."""
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
    reference_cache: Path | None = None
    """Where the reference's log-probabilities are kept, for all variants of a round; None: the run folder."""


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
    """The mean of those reward models that do not lower the held-out accuracy, from the best one on."""

    name: Literal["greedy_soup"]


AverageMethod = Annotated[
    MeanMethod | SlerpMethod | TiesMethod | EmaMethod | GreedySoupMethod, Field(discriminator="name")
]


class AverageConfig(ProgramConfig):
    """`python -m alignment.training.average`: one model from several checkpoints, in fp32.

    Result: {"num_checkpoints", "num_tensors"}; of a greedy soup also {"kept": places of the members, "soup":
    [{"member", "accuracy", "kept"}] in the order in which they were tried}.
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
    max_row_tokens: int = Field(default=2048, ge=16)
    """Greedy soup: longer held-out records are left out."""
    num_threads: int = Field(default=1, ge=1)
    out: Path

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

    Writes CandidateSets to `out` (JSONL, appended batch by batch: a killed program goes on where it was).
    Result: the figures of `alignment.rejection.figures`, with "num_skipped", prompts too long for their
    policy, and "unmatched_domains", those that are named here and that no prompt has.
    """

    policy: Path
    policy_name: str = "policy"
    other_policies: dict[str, Path] = {}
    """Further checkpoint folders, by name."""
    domain_policies: dict[str, str] = {}
    """The name of the policy that answers a domain's prompts; `policy` answers all others."""
    reward_model: Path
    prompts: Path
    """JSONL of PromptRecords."""
    num_candidates: int = Field(ge=2)
    """K."""
    sampling: SamplingConfig
    domains: Domains = {}
    system_prompts: SystemPrompts = ()
    language_check: LanguageCheck | None = None
    engine: EngineConfig = EngineConfig()
    shard: int = Field(default=0, ge=0)
    num_shards: int = Field(default=1, ge=1)
    """This program does the batches of `shard` alone. Every shard is given all prompts."""
    out: Path
    """The JSONL of CandidateSets."""

    @property
    def policies(self) -> dict[str, Path]:
        """All policies' folders by name."""
        return {self.policy_name: self.policy, **self.other_policies}

    @model_validator(mode="after")
    def _every_name_is_known(self) -> Self:
        unknown = sorted(set(self.domain_policies.values()) - set(self.policies))
        if unknown:
            raise ValueError(f"There is no policy {unknown[0]!r}: name it in other_policies.")
        if self.shard >= self.num_shards:
            raise ValueError(f"There is no shard {self.shard} of {self.num_shards}: they count from 0.")
        return self


class GatherConfig(ProgramConfig):
    """`python -m alignment.sampling.gathering`: one file and one result from a stage's shards.

    Writes the CandidateSets of all shards to `out` in the prompts' order. Result: as RejectionConfig's.
    """

    shards: tuple[Path, ...] = Field(min_length=1)
    """The shards' run folders."""
    out: Path


class JudgeConfig(ProgramConfig):
    """Where a judge answers."""

    url: str
    """Up to and without `/chat/completions`."""
    model: str
    key_file: Path | None = None
    """A file with the API key; None for an endpoint that asks for none."""
    code_domains: tuple[str, ...] = ()
    num_at_once: int = Field(default=8, ge=1)


class QualityConfig(ProgramConfig):
    """`python -m alignment.sampling.quality`: the SFT examples that are good enough, from what was sampled.

    Writes SftExamples to `out` and every dropped one with its reason to `dropped`. Result: {"num_examples",
    "sources": {source: number}, "sampled_domains": {domain: number of sampled ones}, "steps": [{"name",
    "num_in", "num_kept", "dropped": {reason: number}, "samples"}] in order, "judge": {"num_judged",
    "num_unusable", "mean_quality", "mean_difficulty"} or null, "topics": {"num_labelled", "coarse", "fine":
    accuracies on held-out labels or null, "counts": [{"name", "number", "fine": {name: number}}]} or null,
    "left_out": sentences on what could not be done}.
    """

    candidates: Path
    """JSONL of CandidateSets: the best of each is an example."""
    preferences: Path
    """JSONL of PreferenceRecords: the edited answers in it are examples."""
    evaluation_prompts: Path
    """JSONL of the PromptRecords that the round is evaluated on."""
    recipe: QualityRecipe
    judge: JudgeConfig | None = None
    """Its scores are kept in `judged`."""
    judged: Path
    """JSONL of the judge's Judgements, appended one by one."""
    embedder: Path | None = None
    """The checkpoint folder whose hidden states tell dialogs apart, for deduplication and topics."""
    max_row_tokens: int = Field(default=2048, ge=16)
    """Longer dialogs are embedded by their end."""
    num_threads: int = Field(default=1, ge=1)
    out: Path
    topics: Path
    """JSONL of the Topics of the examples in `out`: with `recipe.topics` only."""
    dropped: Path

    @model_validator(mode="after")
    def _dialogs_can_be_compared(self) -> Self:
        if self.recipe.reads_dialogs and self.embedder is None:
            raise ValueError("Semantic deduplication and topics need `embedder`, a causal language model.")
        return self


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
    answers: Path


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
    verdicts: Path
    """JSONL of the judge's Verdicts, appended one by one."""
    grades: Path
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


class ServeConfig(ProgramConfig):
    """`python -m alignment.sampling.serve`: one checkpoint behind vLLM's OpenAI-compatible server.

    Runs until it is told to stop; writes no result.
    """

    checkpoint: Path
    served_name: str
    host: str = "127.0.0.1"
    port: int
    engine: EngineConfig = EngineConfig()
