"""The recipe of a round: every number that decides what a round does, on one page.

Pure. A named recipe is a function that returns a whole `RoundRecipe`; a variant edits the returned
value. The source of the defaults is The Llama 3 Herd of Models, section 4.
"""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from alignment.data_gate.recipe import DataGateRecipe
from alignment.programs import (
    AverageMethod,
    EngineConfig,
    LoraConfig,
    MeanMethod,
    OptimizerConfig,
    Precision,
    SamplingConfig,
)
from alignment.quality.recipe import JudgeRecipe, QualityRecipe
from alignment.rejection.recipe import Domains, LanguageCheck, SystemPrompts
from annotation.records import Strength

STRONG = (Strength.SIGNIFICANTLY_BETTER, Strength.BETTER)


class RecipeError(Exception):
    """A recipe that cannot be run, and the field to change."""


class RecipePart(BaseModel):
    """The base of all parts: frozen, unknown fields refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class CollectRecipe(RecipePart):
    """What people are asked before the round trains."""

    num_comparisons: int = Field(ge=0)
    """Judgements to wait for; 0 trains at once on what is there."""
    sampling: SamplingConfig
    """How the two deployed models answer."""


class SnapshotRecipe(RecipePart):
    """Which judgements train."""

    strengths: tuple[Strength, ...] = STRONG
    """Only these grades train."""
    max_similarity: float = Field(default=0.9, gt=0, le=1)
    """Pairs whose responses are more alike than this (difflib ratio of words) are dropped."""
    holdout_fraction: float = Field(default=0.1, gt=0, lt=0.5)
    """Part of the prompts whose judgements are kept for measuring the reward model."""
    min_judgements: int = Field(default=200, ge=10)
    """The data gate waits for so many that can train."""


class VariantRecipe(RecipePart):
    """One of the models of a stage that are averaged."""

    seed: int
    """Draws the order of the examples and whatever else chance decides."""
    optimizer: OptimizerConfig


class RewardVariantRecipe(VariantRecipe):
    """One reward model. The options are for ablation: Llama 3 uses none of them."""

    margins: dict[Strength, float] = {}
    """How far the better response must be ahead, by strength: Llama 2's margin term."""
    centering: float = Field(default=0.0, ge=0)
    """Weight of the term that keeps rewards around zero."""
    plain_rows: bool = False
    """The paper's plain concatenation of responses in place of exact rows."""


class SftVariantRecipe(VariantRecipe):
    """One SFT model."""

    mix: dict[str, float] = {}
    """How often an epoch sees each example of a source, such as {"edited": 2, "rejection_sampling": 0.5};
    once where the source is not named."""


class DpoVariantRecipe(VariantRecipe):
    """One DPO model."""

    beta: float = Field(default=0.1, gt=0)
    """How dear it is to move away from the reference, the SFT model."""
    nll_coefficient: float = Field(default=0.2, ge=0)
    """Weight of the chosen response's negative log-likelihood."""
    mask_format_tokens: bool = True
    """Leave the tokens that end both responses out of the preference term."""
    preference_term: Literal["dpo", "ipo"] = "dpo"
    """The loss on preferences: DPO's, or IPO's (Azar et al. 2023)."""
    label_smoothing: float = Field(default=0.0, ge=0, lt=0.5)
    """The part of judgements taken to be the wrong way round."""
    newest_rounds: int = Field(default=1, ge=1)
    """How many of the newest rounds' judgements to train on."""


class AverageRecipe(RecipePart):
    """How the variants of a stage become one model."""

    method: AverageMethod = MeanMethod()
    """The mean, slerp, ties, ema over rounds, or a greedy soup measured by held-out judgements."""
    weights: tuple[float, ...] | None = None
    """One for each variant, summing to 1; None is uniform."""


class AveragingRecipe(RecipePart):
    """How each stage averages."""

    reward: AverageRecipe = AverageRecipe()
    sft: AverageRecipe = AverageRecipe()
    dpo: AverageRecipe = AverageRecipe()


class RejectionRecipe(RecipePart):
    """Rejection sampling of SFT data."""

    num_candidates: int = Field(ge=10, le=30)
    """K, the answers drawn for each prompt."""
    num_prompts: int = Field(ge=1)
    """Train prompts that are answered."""
    sampling: SamplingConfig
    domains: Domains = {}
    """By domain: temperature, top_p and max_tokens other than in `sampling`."""
    system_prompts: SystemPrompts = ()
    """Put before a share of the prompts; later rounds steer tone, style and format with them."""
    policies: dict[str, str] = {}
    """By domain: the checkpoint that answers, or "best" for the one that evaluations found best there; the
    newest round's policy where a domain is not named."""
    language_check: LanguageCheck | None = None
    """Refuse answers in another language than their prompt's; None checks nothing, {} all domains."""
    num_shards: int = Field(default=1, ge=1, le=64)
    """Programs that share the prompts, for as many workers."""


class EvaluationRecipe(RecipePart):
    """Answers to held-out prompts by the new model, the round before and the base."""

    num_prompts: int = Field(ge=1)
    """Held-out prompts that each of the models answers."""
    samples_per_prompt: int = Field(default=1, ge=1)
    """Answers of each model to a prompt."""
    sampling: SamplingConfig


class GateRecipe(RecipePart):
    """What must hold before a model is deployed, and whose opinion of its answers counts."""

    decided_by: Literal["judge", "people", "proxy"] = "proxy"
    """An outside judge, people who see pairs blind, or only the round's own reward model, which was trained
    against: then the page says that nobody outside has judged."""
    judge: JudgeRecipe | None = None
    """The outside judge; its figures are also shown where people decide."""
    num_prompts: int = Field(default=100, ge=1)
    """Held-out prompts on which the judge or people compare answers. Ours, as are the next two."""
    best_of_k_prompts: int = Field(default=20, ge=0)
    """Prompts of rejection sampling whose K candidates the judge grades, for the over-optimisation curve."""
    min_reward_accuracy: float = Field(default=0.5, ge=0, le=1)
    """The lower end of the held-out accuracy's interval must be above this."""
    min_win_rate_over_base: float = Field(default=0.5, ge=0, le=1)
    """The lower end of the win rate's interval over the base must be above this, by whoever decides."""
    min_win_rate_over_previous: float | None = Field(default=None, ge=0, le=1)
    """The same over the round before's policy, where there is one; None does not ask."""

    @model_validator(mode="after")
    def _the_judge_is_there_and_asked(self) -> Self:
        if self.decided_by == "judge" and self.judge is None:
            raise ValueError(
                "gate.decided_by cannot be judge without one: name it in gate.judge, or say people or proxy."
            )
        if self.decided_by == "proxy" and self.judge is not None:
            raise ValueError(
                "gate.judge would not be listened to: set gate.decided_by to judge (or to people, who decide "
                "by themselves), or leave gate.judge out."
            )
        return self


class RoundRecipe(RecipePart):
    """A whole round."""

    name: str
    """Shown beside the round."""
    collect: CollectRecipe
    data_gate: DataGateRecipe = DataGateRecipe()
    snapshot: SnapshotRecipe = SnapshotRecipe()
    reward: tuple[RewardVariantRecipe, ...] = Field(min_length=2)
    rejection: RejectionRecipe
    quality: QualityRecipe = QualityRecipe()
    sft: tuple[SftVariantRecipe, ...] = Field(min_length=2)
    dpo: tuple[DpoVariantRecipe, ...] = Field(min_length=2)
    averaging: AveragingRecipe = AveragingRecipe()
    evaluation: EvaluationRecipe
    gate: GateRecipe = GateRecipe()
    precision: Precision = "fp32"
    """bf16 is autocast over fp32 weights; pure_bf16 keeps weights, gradients and moments in bf16."""
    max_row_tokens: int = Field(default=2048, ge=16)
    """Longer examples are left out of training and counted."""
    max_tokens_per_microbatch: int = Field(default=8192, ge=16)
    """Tokens of one pass forward and backward: what the memory holds. A batch takes as many as it needs."""
    num_threads: int = Field(default=1, ge=1)
    """torch threads of one training process; variants run side by side."""
    num_processes: int = Field(default=1, ge=1)
    """Processes that share each training, its weights and its work: as many as there are GPUs."""
    lora: LoraConfig | None = None
    """Train adapters in place of whole weights: reward model, SFT and DPO alike."""
    recompute_activations: bool = False
    """Train in a fraction of the memory, in a third more time."""
    checkpoint_seconds: float = Field(default=300, gt=0)
    """How often a training writes down where it is: what a crash may cost. Changes no number."""
    engine: EngineConfig = EngineConfig()
    device: Literal["auto", "cuda"] = "auto"
    """cuda: training on a worker without a GPU fails and says so, in place of taking the CPU."""
    stall_seconds: int = Field(default=1800, ge=10)
    """A program that shows no progress for so long is stopped and tried again."""

    @model_validator(mode="after")
    def _a_row_fits(self) -> Self:
        if self.max_row_tokens > self.max_tokens_per_microbatch:
            raise ValueError(
                f"max_row_tokens cannot be {self.max_row_tokens}, above max_tokens_per_microbatch, "
                f"{self.max_tokens_per_microbatch}: lower the one or raise the other."
            )
        return self

    @model_validator(mode="after")
    def _every_process_has_an_example(self) -> Self:
        for name in ("reward", "sft", "dpo"):
            for place, variant in enumerate(getattr(self, name)):
                if variant.optimizer.batch_size < self.num_processes:
                    raise ValueError(
                        f"num_processes cannot be {self.num_processes}: a batch of {name}[{place}] has "
                        f"{variant.optimizer.batch_size} examples. Lower the one or raise the other."
                    )
        return self

    @model_validator(mode="after")
    def _every_variant_has_its_weight(self) -> Self:
        for name in ("reward", "sft", "dpo"):
            num_variants, average = len(getattr(self, name)), getattr(self.averaging, name)
            if average.weights is None:
                continue
            if average.method.name == "greedy_soup":
                raise ValueError(
                    f"averaging.{name} is a greedy soup, which is uniform: leave out its weights."
                )
            if len(average.weights) != num_variants or not math.isclose(
                sum(average.weights), 1, abs_tol=1e-6
            ):
                raise ValueError(
                    f"averaging.{name}.weights cannot be {list(average.weights)}: give {num_variants}, one "
                    "for each variant, that sum to 1."
                )
        return self


def tiny() -> RoundRecipe:
    """A round for a model of under a million parameters and one-sentence answers: minutes on two cores."""
    reward = OptimizerConfig(learning_rate=5e-4, num_epochs=2, batch_size=64)
    sft = OptimizerConfig(learning_rate=5e-4, num_epochs=1, batch_size=64)
    dpo = OptimizerConfig(learning_rate=2e-4, num_epochs=2, batch_size=64)
    return RoundRecipe(
        name="tiny",
        collect=CollectRecipe(num_comparisons=1500, sampling=SamplingConfig(max_tokens=40)),
        reward=(RewardVariantRecipe(seed=1, optimizer=reward), RewardVariantRecipe(seed=2, optimizer=reward)),
        rejection=RejectionRecipe(
            num_candidates=10, num_prompts=1000, sampling=SamplingConfig(max_tokens=40)
        ),
        sft=(SftVariantRecipe(seed=1, optimizer=sft), SftVariantRecipe(seed=2, optimizer=sft)),
        dpo=(
            DpoVariantRecipe(seed=1, optimizer=dpo),
            DpoVariantRecipe(seed=2, optimizer=dpo, nll_coefficient=0.1),
        ),
        evaluation=EvaluationRecipe(
            num_prompts=600, samples_per_prompt=2, sampling=SamplingConfig(max_tokens=40)
        ),
        max_row_tokens=256,
    )


def small() -> RoundRecipe:
    """A round for a base of a few million parameters and real text, on two cores: under an hour."""
    reward = OptimizerConfig(learning_rate=1e-4, num_epochs=1, batch_size=32)
    sft = OptimizerConfig(learning_rate=1e-4, num_epochs=1, batch_size=32)
    dpo = OptimizerConfig(learning_rate=3e-5, num_epochs=1, batch_size=32)
    return RoundRecipe(
        name="small",
        collect=CollectRecipe(num_comparisons=0, sampling=SamplingConfig(max_tokens=128)),
        reward=(RewardVariantRecipe(seed=1, optimizer=reward), RewardVariantRecipe(seed=2, optimizer=reward)),
        rejection=RejectionRecipe(
            num_candidates=10, num_prompts=200, sampling=SamplingConfig(max_tokens=128)
        ),
        sft=(SftVariantRecipe(seed=1, optimizer=sft), SftVariantRecipe(seed=2, optimizer=sft)),
        dpo=(DpoVariantRecipe(seed=1, optimizer=dpo), DpoVariantRecipe(seed=2, optimizer=dpo)),
        evaluation=EvaluationRecipe(num_prompts=100, sampling=SamplingConfig(max_tokens=128)),
        max_row_tokens=512,
    )


RECIPES: dict[str, Callable[[], RoundRecipe]] = {"tiny": tiny, "small": small}


def load_recipe(name_or_path: str) -> RoundRecipe:
    """A named recipe, or one from a JSON file. Raises RecipeError with the first problem in words."""
    if name_or_path in RECIPES:
        return RECIPES[name_or_path]()
    path = Path(name_or_path)
    if not path.is_file():
        raise RecipeError(f"There is no recipe {name_or_path!r}: use {', '.join(RECIPES)} or a JSON file.")
    try:
        return parse_recipe(json.loads(path.read_text(encoding="utf-8")))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise RecipeError(f"{path.name} is not a JSON file: {error}") from error


def parse_recipe(data: object) -> RoundRecipe:
    """A recipe from JSON data. Raises RecipeError with the first problem in words."""
    try:
        return RoundRecipe.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        if first["type"] == "value_error":
            raise RecipeError(f"The recipe's {first['ctx']['error']}") from error
        where = ".".join(str(part) for part in first["loc"])
        raise RecipeError(
            f"The recipe's {where} cannot be {first['input']!r}: {first['msg'].lower()}."
        ) from error
