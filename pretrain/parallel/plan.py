"""Which processes do what: the mesh [TP, CP, PP, DP] as a configuration, and what it must divide. Pure.

Comes in: the sizes of a mesh, and those of a model, a row and a batch. Goes out: nothing, or one sentence
that says which number does not fit, before any process has begun to work.

The order is Llama 3's (section 3.3.2): tensor parallelism, which talks most, between neighbouring processes;
then context, pipeline and, outermost, data parallelism.
"""

from collections.abc import Sequence
from typing import Self

from pydantic import Field, model_validator

from pretrain.recipe import ModelRecipe
from pretrain.run import ProgramConfig, ProgramError


class ParallelPlan(ProgramConfig):
    """How many processes share each dimension; 1 leaves a dimension out."""

    tensor: int = Field(default=1, ge=1)
    """Processes that share each layer's matrices, and each row's tokens between the matrices."""
    context: int = Field(default=1, ge=1)
    """Processes that share the tokens of a row."""
    pipeline: int = Field(default=1, ge=1)
    """Processes that share the layers."""
    data: int = Field(default=1, ge=1)
    """Groups of processes that share the rows of a batch. Weights and optimizer state are sharded over
    them and over `context` (FSDP2)."""
    stages_per_process: int = Field(default=1, ge=1)
    """Runs of layers that each process of a pipeline holds: more than one interleaves them, which shortens
    the waiting at both ends of a step and sends more."""
    reshard_after_forward: bool = False
    """Let go of gathered weights between the forward and the backward pass: less memory, more traffic."""
    recompute_activations: bool = False
    """Keep what goes into each layer and compute the rest again in the backward pass (Chen et al. 2016): far
    less memory, about a third more work."""
    rows_per_microbatch: int = Field(default=1, ge=1)
    """Rows that go through a stage at once."""

    @property
    def num_processes(self) -> int:
        """Of the whole mesh."""
        return self.tensor * self.context * self.pipeline * self.data

    @property
    def num_stages(self) -> int:
        """Runs of consecutive layers."""
        return self.pipeline * self.stages_per_process

    def describe(self) -> str:
        """The mesh in the field's shorthand, innermost first."""
        return f"TP {self.tensor}, CP {self.context}, PP {self.pipeline}, DP {self.data}"

    @model_validator(mode="after")
    def _check_stages(self) -> Self:
        if self.pipeline == 1 and self.stages_per_process > 1:
            raise ValueError("stages_per_process wants a pipeline of two processes or more")
        return self


def layers_of_stages(num_layers: int, num_stages: int) -> list[range]:
    """The layers of each stage, in order.

    Where they do not divide evenly, the first and the last stage may have one less: they also hold the
    embedding and the head (Llama 3, section 3.3.2: 126 layers).
    """
    if num_layers % num_stages == 0:
        sizes = [num_layers // num_stages] * num_stages
    else:
        size = (num_layers + 2) // num_stages
        sizes = [size - 1, *[size] * (num_stages - 2), size - 1]
        if num_stages < 2 or sum(sizes) != num_layers or min(sizes) < 1:
            raise ProgramError(
                f"{num_layers} layers cannot be shared among {num_stages} pipeline stages: choose a number "
                f"of stages that divides {num_layers}, or {num_layers + 2} (the first and the last stage "
                "then have one layer less)."
            )
    ends = [sum(sizes[: place + 1]) for place in range(num_stages)]
    return [range(end - size, end) for end, size in zip(ends, sizes, strict=True)]


def check_plan(
    plan: ParallelPlan,
    model: ModelRecipe,
    vocabulary_size: int,
    batches: Sequence[tuple[int, int]],
) -> None:
    """Raise ProgramError unless the mesh divides the model and all `batches` of (rows, tokens of a row)."""
    for name, size in (
        ("attention heads", model.num_heads),
        ("key-value heads", model.num_kv_heads),
        ("feed-forward units", model.ffn_size),
        ("tokens of the vocabulary", vocabulary_size),
    ):
        require_divided(size, name, plan.tensor, "processes of tensor parallelism")
    layers_of_stages(model.num_layers, plan.num_stages)
    for num_rows, length in batches:
        parts = 2 * plan.context if plan.context > 1 else 1
        require_divided(length, "tokens of a row", parts, "chunks (two for each context process)")
        require_divided(
            length // plan.context,
            "tokens of a row in each process",
            plan.tensor,
            "processes of tensor parallelism, which share them between the matrices",
        )
        together = plan.data * plan.rows_per_microbatch
        require_divided(
            num_rows, "rows of a batch", together, "rows at once (data parallelism times rows_per_microbatch)"
        )
        num_microbatches = num_rows // together
        if plan.pipeline > 1 and num_microbatches < plan.num_stages:
            raise ProgramError(
                f"A batch of {num_rows} rows has {num_microbatches} microbatches in each pipeline, fewer "
                f"than its {plan.num_stages} stages: use longer batches, fewer stages or fewer "
                "rows_per_microbatch."
            )
        if plan.stages_per_process > 1:
            require_divided(num_microbatches, "microbatches", plan.pipeline, "processes of the pipeline")


def require_divided(size: int, name: str, parts: int, takers: str) -> None:
    """Raise ProgramError unless `parts` divides `size`."""
    if size % parts:
        raise ProgramError(
            f"{size} {name} cannot be shared evenly among {parts} {takers}: change the mesh or the size."
        )
