"""Plans of whole trainings at any size: `tiny` and `small` as their recipes run here, `8b`, `70b` and `405b`
as Llama 3 was trained. Pure.

Comes in: a name. Goes out: a TrainingPlan: shape, stages with their rows and meshes, learning rate. Its
numbers are the paper's (The Llama 3 Herd of Models, sections 3.2 to 3.4) where it gives them; `inferred`
names the others.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal

from pydantic import Field

from pretrain.course import long_context_stages
from pretrain.parallel.plan import ParallelPlan
from pretrain.recipe import (
    RECIPES,
    GateRecipe,
    ModelRecipe,
    PretrainRecipe,
    StageRecipe,
    recipe_named,
)
from pretrain.run import ProgramConfig, ProgramError

MILLION, BILLION, TRILLION = 10**6, 10**9, 10**12
K = 1024
LLAMA_VOCABULARY = 128_000
NUM_LONG_STAGES = 6


class PlannedStage(ProgramConfig):
    """Steps of one kind."""

    name: str
    num_rows: int = Field(ge=1)
    sequence_length: int = Field(ge=1)
    num_steps: int = Field(ge=1)
    mesh: ParallelPlan = ParallelPlan()

    @property
    def tokens_per_step(self) -> int:
        """Tokens that one optimizer step reads."""
        return self.num_rows * self.sequence_length

    @property
    def num_tokens(self) -> int:
        """Of the whole stage."""
        return self.num_steps * self.tokens_per_step


class TrainingPlan(ProgramConfig):
    """A whole training."""

    name: str
    model: ModelRecipe
    vocabulary_size: int
    learning_rate: float
    warmup_steps: int
    final_fraction: float
    """Where the cosine ends; annealing goes from there to 0."""
    precision: Literal["fp32", "bf16"]
    stages: tuple[PlannedStage, ...] = Field(min_length=1)
    devices_per_machine: int = 1
    device_gib: int | None = None
    """Memory of a device; None where it is the machine's."""
    inferred: tuple[str, ...] = ()
    """Numbers that the paper does not give for this size."""

    @property
    def num_tokens(self) -> int:
        """Over all stages."""
        return sum(stage.num_tokens for stage in self.stages)

    @property
    def num_steps(self) -> int:
        """Over all stages."""
        return sum(stage.num_steps for stage in self.stages)


def plan_named(name: str) -> TrainingPlan:
    """The plan of that name. Raises ProgramError with the names there are."""
    if name in LARGE:
        return LARGE[name]()
    if name in RECIPES:
        return plan_of_recipe(recipe_named(name))
    raise ProgramError(f"There is no preset {name}: choose one of {', '.join([*RECIPES, *LARGE])}.")


def plan_of_recipe(recipe: PretrainRecipe) -> TrainingPlan:
    """What a recipe does in one process; gated stages at their least."""
    long = long_context_stages(recipe)
    names = ["initial", *(f"long context {place}" for place in range(1, len(long) + 1)), "annealing"]
    stages = [recipe.initial, *long, recipe.annealing]
    return TrainingPlan(
        name=recipe.name,
        model=recipe.model,
        vocabulary_size=recipe.vocabulary_size,
        learning_rate=recipe.learning_rate,
        warmup_steps=recipe.warmup_steps,
        final_fraction=recipe.final_fraction,
        precision=recipe.precision,
        stages=tuple(
            PlannedStage(
                name=name,
                num_rows=stage.num_rows,
                sequence_length=stage.sequence_length,
                num_steps=stage.num_steps,
                mesh=ParallelPlan(rows_per_microbatch=stage.num_rows),
            )
            for name, stage in zip(names, stages, strict=True)
        ),
    )


def llama_stages(
    num_tokens: int, short_meshes: tuple[ParallelPlan, ...], long_mesh: ParallelPlan
) -> tuple[PlannedStage, ...]:
    """Llama 3's stages (section 3.4): 4M tokens of rows of 4K; after 252M tokens 8M of 8K; after 2.87T tokens
    16M, until `num_tokens`; six long-context stages over 800B tokens; annealing over 40M at 128K."""
    edges = (0, 252 * MILLION, 2870 * BILLION, num_tokens - 800 * BILLION - 40 * MILLION)
    sizes = ((1024, 4 * K), (1024, 8 * K), (2048, 8 * K))
    stages = [
        stage_of(f"initial {place}", end - first, *size, mesh)
        for place, (first, end, size, mesh) in enumerate(
            zip(edges[:-1], edges[1:], sizes, short_meshes, strict=True), start=1
        )
    ]
    last = StageRecipe(num_steps=1, num_rows=128, sequence_length=128 * K)
    long = long_context_stages(gated(last))
    for place, stage in enumerate(long, start=1):
        # Rows must fill the mesh; lengths come from the rule.
        num_rows = max(1, round(stage.num_rows / long_mesh.data)) * long_mesh.data
        stages.append(
            stage_of(
                f"long context {place}",
                800 * BILLION // len(long),
                num_rows,
                stage.sequence_length,
                long_mesh,
            )
        )
    return (*stages, stage_of("annealing", 40 * MILLION, last.num_rows, last.sequence_length, long_mesh))


def gated(last: StageRecipe) -> PretrainRecipe:
    """A recipe of which only the lengths of long context matter: from 8K to `last`'s."""
    short = StageRecipe(num_steps=1, num_rows=2048, sequence_length=8 * K)
    return PretrainRecipe(
        name="lengths",
        vocabulary_size=LLAMA_VOCABULARY,
        model=ModelRecipe(num_layers=1, hidden_size=128, head_size=128, num_kv_heads=1),
        initial=short,
        long_context=last,
        annealing=last,
        num_averaged=1,
        learning_rate=1e-4,
        warmup_steps=0,
        gates=GateRecipe(num_stages=NUM_LONG_STAGES, check_every=1, max_steps=1, recall_fraction=0.1),
    )


def stage_of(name: str, num_tokens: int, num_rows: int, length: int, mesh: ParallelPlan) -> PlannedStage:
    """A stage of so many tokens, rounded up to whole steps."""
    return PlannedStage(
        name=name,
        num_rows=num_rows,
        sequence_length=length,
        num_steps=-(-num_tokens // (num_rows * length)),
        mesh=mesh,
    )


def llama(
    name: str,
    *,
    layers: int,
    width: int,
    feed_forward: int,
    learning_rate: float,
    num_tokens: int,
    short_meshes: tuple[ParallelPlan, ...],
    long_mesh: ParallelPlan,
    inferred: tuple[str, ...],
) -> TrainingPlan:
    """What the three sizes share (section 3.2, table 3; section 3.4.1)."""
    return TrainingPlan(
        name=name,
        model=ModelRecipe(
            num_layers=layers,
            hidden_size=width,
            head_size=128,
            num_kv_heads=8,
            intermediate_size=feed_forward,
        ),
        vocabulary_size=LLAMA_VOCABULARY,
        learning_rate=learning_rate,
        warmup_steps=8000,
        final_fraction=0.01,
        precision="bf16",
        stages=llama_stages(num_tokens, short_meshes, long_mesh),
        devices_per_machine=8,
        device_gib=80,
        inferred=inferred,
    )


def llama_405b() -> TrainingPlan:
    """Llama 3 405B: 15.6T tokens, meshes of the paper's table 4."""
    first = ParallelPlan(tensor=8, pipeline=16, data=64, recompute_activations=True)
    return llama(
        "405b",
        layers=126,
        width=16_384,
        feed_forward=53_248,
        learning_rate=8e-5,
        num_tokens=15_600 * BILLION,
        short_meshes=(first, first, first.model_copy(update={"data": 128})),
        long_mesh=first.model_copy(update={"context": 16, "data": 8}),
        inferred=(
            "lengths between 8K and 128K",
            "tokens of each long-context stage",
            "activations computed again (the paper kept those of rows of 8K)",
        ),
    )


def llama_70b() -> TrainingPlan:
    """Llama 3 70B: shape and peak rate are the paper's."""
    mesh = ParallelPlan(tensor=8, pipeline=4, data=64, recompute_activations=True)
    return llama(
        "70b",
        layers=80,
        width=8192,
        feed_forward=28_672,
        learning_rate=1.5e-4,
        num_tokens=15 * TRILLION,
        short_meshes=(mesh,) * 3,
        long_mesh=mesh.model_copy(update={"context": 16, "data": 4}),
        inferred=(
            "meshes, with activations computed again",
            "batches, warm-up and long context (the largest size's)",
        ),
    )


def llama_8b() -> TrainingPlan:
    """Llama 3 8B: shape and peak rate are the paper's."""
    mesh = ParallelPlan(tensor=2, data=128)
    return llama(
        "8b",
        layers=32,
        width=4096,
        feed_forward=14_336,
        learning_rate=3e-4,
        num_tokens=15 * TRILLION,
        short_meshes=(mesh,) * 3,
        long_mesh=ParallelPlan(tensor=8, context=16, data=2),
        inferred=("meshes", "batches, warm-up and long context (the largest size's)"),
    )


LARGE: Mapping[str, Callable[[], TrainingPlan]] = MappingProxyType(
    {"8b": llama_8b, "70b": llama_70b, "405b": llama_405b}
)
"""Sizes that want many machines: planned here, trained by `pretrain.parallel.train`."""
