"""Recipes of pretraining: every number that shapes a base model, on one page.

Comes in: nothing. Goes out: whole recipes (`tiny`, `small`); a variant edits one with `model_copy`. Also
the plan they describe: which stage a step belongs to and its learning rate. Pure: read by the web side.

The stages are Llama 3's (section 3.4): an initial one (linear warm-up, cosine), long context (longer rows
at the rate reached), annealing (linearly to 0), during which checkpoints are taken and averaged.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, Self

from pydantic import Field, model_validator

from pretrain.run import ProgramConfig, ProgramError

StageName = Literal["initial", "long_context", "annealing"]

RATE_TIMES_WIDTH = 0.5
"""Llama 3's peak rates times their widths are 1.23 to 1.31 at batches of millions of tokens. At batches
of thousands, 4e-3 at width 128 was the best of those tried."""


class ModelRecipe(ProgramConfig):
    """A Llama's shape. Heads and feed-forward size follow from the width by one rule."""

    num_layers: int = Field(ge=1)
    hidden_size: int = Field(ge=32)
    head_size: int = Field(default=32, ge=8)
    num_kv_heads: int = Field(default=2, ge=1)
    rope_theta: float = Field(default=500_000.0, gt=0)
    intermediate_size: int | None = Field(default=None, ge=1)
    """The feed-forward size where it is not to follow from the width."""

    @property
    def num_heads(self) -> int:
        """As many as fill the width."""
        return self.hidden_size // self.head_size

    @property
    def ffn_size(self) -> int:
        """Eight thirds of the width, up to a multiple of 32: three matrices then weigh what two of four
        times the width do. Or what `intermediate_size` says."""
        if self.intermediate_size is not None:
            return self.intermediate_size
        return math.ceil(self.hidden_size * 8 / 3 / 32) * 32

    def describe(self) -> str:
        """The rule and what it gives, for people."""
        return (
            f"{self.num_layers} layers, width {self.hidden_size}, {self.num_heads} heads of "
            f"{self.head_size} (width / head size) sharing {self.num_kv_heads} key-value heads, "
            f"feed-forward {self.ffn_size} "
            f"({'as told' if self.intermediate_size else '8/3 of the width, up to a multiple of 32'})"
        )

    @model_validator(mode="after")
    def _check_heads(self) -> Self:
        if self.hidden_size % self.head_size or self.num_heads % self.num_kv_heads:
            raise ValueError(
                f"hidden_size {self.hidden_size} must be a multiple of head_size {self.head_size}, "
                f"and its {self.hidden_size // self.head_size} heads of num_kv_heads {self.num_kv_heads}"
            )
        return self


class StageRecipe(ProgramConfig):
    """How long a stage lasts and what a step of it reads."""

    num_steps: int = Field(ge=1)
    num_rows: int = Field(ge=1)
    """Rows of a batch."""
    sequence_length: int = Field(ge=16)
    """Tokens of a row."""

    @property
    def tokens_per_step(self) -> int:
        """Tokens that one optimizer step reads."""
        return self.num_rows * self.sequence_length


class RopeChange(ProgramConfig):
    """Rotary positions from the first long-context stage on, where they are not to stay as they were."""

    theta: float | None = Field(default=None, gt=0)
    """A new base frequency (Xiong et al. 2023: 10,000 to 500,000 for 32K); None keeps the model's."""
    scaling: Literal["default", "linear", "llama3"] = "default"
    """linear divides all positions by `factor` (Chen et al. 2023); llama3 only those of long waves (the
    released Llama 3.1)."""
    factor: float = Field(default=1.0, ge=1)

    def parameters(self, theta: float, short_length: int) -> dict[str, float | int | str]:
        """As transformers' configuration wants them, for a model of `theta` trained at `short_length`."""
        told: dict[str, float | int | str] = {"rope_type": self.scaling, "rope_theta": self.theta or theta}
        if self.scaling != "default":
            told["factor"] = self.factor
        if self.scaling == "llama3":
            told |= {
                "low_freq_factor": 1.0,
                "high_freq_factor": 4.0,
                "original_max_position_embeddings": short_length,
            }
        return told


class GateRecipe(ProgramConfig):
    """Long context in stages of rising length, each of which ends when its gate lets it (Llama 3, section
    3.4.2): the loss at the short length has recovered, and the needle test passes at the stage's length.

    `long_context` then says the least steps of a stage, and the rows of the last one.
    """

    num_stages: int = Field(default=6, ge=1)
    check_every: int = Field(ge=1)
    """Steps between two looks at the gate once a stage has its least steps."""
    max_steps: int = Field(ge=1)
    """Of one stage: one that has not passed by then holds the training."""
    loss_tolerance: float = Field(default=0.02, ge=0)
    """How far the short loss may be above what it was before long context, as a part of it."""
    min_recall: float = Field(default=0.9, gt=0, le=1)
    """Needles that must be completed exactly."""
    num_depths: int = Field(default=8, ge=1)
    num_trials: int = Field(default=4, ge=1)
    """Needles at each depth."""
    recall_fraction: float = Field(gt=0, lt=1)
    """Rows of each batch, in all stages, that teach the recall task: a small model does not learn it from
    text."""
    max_facts: int = Field(default=1, ge=1)
    """Facts in a row that teaches it."""
    rope: RopeChange | None = None


class PretrainRecipe(ProgramConfig):
    """A base model from a corpus: tokenizer, shape, three stages, optimizer."""

    name: str
    vocabulary_size: int = Field(ge=264)
    """At most: a corpus with fewer repeated pieces gives a smaller vocabulary."""
    model: ModelRecipe
    initial: StageRecipe
    long_context: StageRecipe
    annealing: StageRecipe
    gates: GateRecipe | None = None
    """Long context in gated stages; without them `long_context` is one stage of fixed length."""
    learning_rate: float = Field(gt=0)
    """The peak, after the warm-up."""
    warmup_steps: int = Field(ge=0)
    final_fraction: float = Field(default=0.01, gt=0, le=1)
    """Where the cosine ends, as a part of the peak; long context stays there, annealing starts there."""
    weight_decay: float = Field(default=0.1, ge=0)
    beta2: float = Field(default=0.95, gt=0, lt=1)
    max_grad_norm: float = Field(default=1.0, gt=0)
    spike_factor: float | None = Field(default=None, gt=1)
    """A step whose gradient norm is more than so many times the running mean is skipped; None skips none."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """bf16: products in bf16 over fp32 weights; faster where the processor has AMX."""
    num_averaged: int = Field(default=5, ge=1)
    """Checkpoints taken during annealing, evenly spaced, whose mean is the final model."""
    holdout_fraction: float = Field(default=0.01, gt=0, lt=0.5)
    """Documents kept out of training, to measure the loss on."""

    @property
    def max_length(self) -> int:
        """The context length of the finished model."""
        return self.annealing.sequence_length

    @model_validator(mode="after")
    def _check_stages(self) -> Self:
        lengths = [self.initial.sequence_length, self.long_context.sequence_length, self.max_length]
        if lengths != sorted(lengths):
            raise ValueError(f"the stages' sequence lengths {lengths} must not fall")
        if self.warmup_steps > self.initial.num_steps:
            raise ValueError(f"warmup_steps {self.warmup_steps} is longer than the initial stage")
        if self.num_averaged > self.annealing.num_steps:
            raise ValueError(f"num_averaged {self.num_averaged} is more than the annealing steps")
        if self.gates is not None:
            if lengths[0] == lengths[1]:
                raise ValueError(f"gated long context must end longer than the initial {lengths[0]} tokens")
            if self.gates.max_steps < self.long_context.num_steps:
                raise ValueError("gates.max_steps is less than the least steps of a stage, long_context's")
            if min(stage.num_rows for stage in (self.initial, self.long_context, self.annealing)) < 2:
                raise ValueError("with gates a batch wants two rows or more: of text, and of the recall task")
        return self


@dataclass(frozen=True)
class StagePlan:
    """One stage's place among all steps: `first` up to but not including `end`."""

    name: StageName
    recipe: StageRecipe
    first: int
    end: int


def stage_plans(recipe: PretrainRecipe) -> tuple[StagePlan, StagePlan, StagePlan]:
    """The three stages on one count of steps."""
    first_end = recipe.initial.num_steps
    second_end = first_end + recipe.long_context.num_steps
    third_end = second_end + recipe.annealing.num_steps
    return (
        StagePlan("initial", recipe.initial, 0, first_end),
        StagePlan("long_context", recipe.long_context, first_end, second_end),
        StagePlan("annealing", recipe.annealing, second_end, third_end),
    )


def stage_at(recipe: PretrainRecipe, step: int) -> StagePlan:
    """The stage that `step` (from 0) belongs to."""
    return next(plan for plan in stage_plans(recipe) if step < plan.end)


def learning_rate_at(recipe: PretrainRecipe, step: int) -> float:
    """The learning rate of `step` (from 0), over all stages."""
    plan = stage_at(recipe, step)
    peak, low = recipe.learning_rate, recipe.learning_rate * recipe.final_fraction
    if plan.name == "long_context":
        return low
    if plan.name == "annealing":
        return low * (plan.end - step) / (plan.end - plan.first)
    if step < recipe.warmup_steps:
        return peak * (step + 1) / recipe.warmup_steps
    progress = (step - recipe.warmup_steps + 1) / max(1, plan.end - recipe.warmup_steps)
    return low + (peak - low) * (1 + math.cos(math.pi * progress)) / 2


def averaged_steps(recipe: PretrainRecipe) -> tuple[int, ...]:
    """After how many steps of the run a checkpoint is taken for the average; the last is the end."""
    plan = stage_plans(recipe)[2]
    length = plan.end - plan.first
    return tuple(
        plan.first + round(length * (place + 1) / recipe.num_averaged) for place in range(recipe.num_averaged)
    )


def peak_learning_rate(hidden_size: int) -> float:
    """The rule for the peak: inversely proportional to the width, as Llama 3's own rates are."""
    return RATE_TIMES_WIDTH / hidden_size


def tiny() -> PretrainRecipe:
    """The whole course in minutes on two cores: 0.6 million weights, six gated stages from 32 to 512 tokens.

    Rows begin at 32 tokens because a model this small learns to look a fact up in them within 200 steps, and
    in rows of 64 or 128 not in 1,400.
    """
    return PretrainRecipe(
        name="tiny",
        vocabulary_size=1024,
        model=ModelRecipe(num_layers=2, hidden_size=128),
        initial=StageRecipe(num_steps=1400, num_rows=32, sequence_length=32),
        long_context=StageRecipe(num_steps=10, num_rows=2, sequence_length=512),
        annealing=StageRecipe(num_steps=150, num_rows=2, sequence_length=512),
        gates=GateRecipe(check_every=10, max_steps=200, recall_fraction=0.25),
        learning_rate=peak_learning_rate(128),
        warmup_steps=50,
        # A tenth, not the paper's hundredth: 200 steps at a hundredth of the peak change nothing.
        final_fraction=0.1,
        weight_decay=0.01,
        beta2=0.98,
    )


def small() -> PretrainRecipe:
    """For a first base model from real text: 6.5 million weights, about ten minutes on two cores with AMX."""
    return PretrainRecipe(
        name="small",
        vocabulary_size=4096,
        model=ModelRecipe(num_layers=6, hidden_size=256, num_kv_heads=4),
        initial=StageRecipe(num_steps=1000, num_rows=8, sequence_length=256),
        long_context=StageRecipe(num_steps=50, num_rows=2, sequence_length=1024),
        annealing=StageRecipe(num_steps=150, num_rows=2, sequence_length=1024),
        learning_rate=peak_learning_rate(256),
        warmup_steps=100,
        final_fraction=0.1,
        precision="bf16",
    )


RECIPES: Mapping[str, Callable[[], PretrainRecipe]] = MappingProxyType({"tiny": tiny, "small": small})


def recipe_named(name: str) -> PretrainRecipe:
    """The recipe of that name. Raises ProgramError with the names there are."""
    if name not in RECIPES:
        raise ProgramError(f"There is no recipe {name}: choose one of {', '.join(RECIPES)}.")
    return RECIPES[name]()
