"""`python -m pretrain.dry_run PRESET`: what a training would take, without the hardware. Pure.

Comes in: a preset's name, or a recipe's or plan's JSON file. Goes out: text: shape, stage by stage the mesh,
tokens of a step and memory of a process, the schedule, and each constant beside Llama 3's with the rule
between them. A mesh that does not divide the model or a batch ends it with a sentence.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from pretrain.constants import constants_table
from pretrain.launch_files import write_launch_files
from pretrain.memory import GIB, Memory, memory_of, num_weights
from pretrain.parallel.plan import check_plan
from pretrain.presets import PlannedStage, TrainingPlan, plan_named, plan_of_recipe
from pretrain.recipe import PretrainRecipe
from pretrain.run import EXIT_USER_ERROR, ProgramError, load_config

USAGE = "usage: python -m pretrain.dry_run PRESET_OR_FILE [FOLDER for launch files]"


def dry_run(plan: TrainingPlan) -> str:
    """The whole report. Raises ProgramError where a stage's mesh does not fit."""
    memories = [stage_memory(plan, stage) for stage in plan.stages]
    return "\n\n".join(
        [
            heading(plan),
            stage_table(plan, memories),
            *fit(plan, memories),
            schedule(plan),
            "\n".join(constants_table(plan)),
            *(["Not in the paper, chosen here: " + "; ".join(plan.inferred) + "."] if plan.inferred else []),
        ]
    )


def plan_from(name_or_path: str) -> TrainingPlan:
    """A preset, or the plan in a JSON file: a recipe's or a plan's own. Raises ProgramError."""
    path = Path(name_or_path)
    if not path.is_file():
        return plan_named(name_or_path)
    try:
        return plan_of_recipe(load_config(path, PretrainRecipe))
    except ProgramError:
        if '"stages"' not in path.read_text(encoding="utf-8"):
            raise
        return load_config(path, TrainingPlan)


def stage_memory(plan: TrainingPlan, stage: PlannedStage) -> Memory:
    """Of the process that takes most. Raises ProgramError where the mesh does not divide the work."""
    batch = (stage.num_rows, stage.sequence_length)
    try:
        check_plan(stage.mesh, plan.model, plan.vocabulary_size, [batch])
    except ProgramError as error:
        raise ProgramError(f"{plan.name}, stage {stage.name} on {stage.mesh.describe()}: {error}") from error
    return memory_of(
        plan.model,
        plan.vocabulary_size,
        stage.mesh,
        num_rows=stage.num_rows,
        length=stage.sequence_length,
        precision=plan.precision,
    )


def heading(plan: TrainingPlan) -> str:
    """Size, tokens and work."""
    weights = num_weights(plan.model, plan.vocabulary_size)
    return (
        f"{plan.name}: {plan.model.describe()}, vocabulary at most {plan.vocabulary_size:,}.\n"
        f"{weights:,} weights, {plan.num_tokens:,} tokens in {plan.num_steps:,} steps, "
        f"{6 * weights * plan.num_tokens:.2g} FLOPs (6 × weights × tokens; attention comes on top)."
    )


def stage_table(plan: TrainingPlan, memories: Sequence[Memory]) -> str:
    """A line a stage; memory in GiB for each process."""
    head = [
        "stage", "mesh", "processes", "rows", "length", "tokens/step", "steps",
        "weights", "gradients", "optimizer", "activations", "mask", "total",
    ]  # fmt: skip
    rows = [
        [
            stage.name,
            stage.mesh.describe(),
            f"{stage.mesh.num_processes:,}",
            f"{stage.num_rows:,}",
            f"{stage.sequence_length:,}",
            f"{stage.tokens_per_step:,}",
            f"{stage.num_steps:,}",
            *(
                gib(size)
                for size in (
                    memory.parameters,
                    memory.gradients,
                    memory.optimizer,
                    memory.activations,
                    memory.mask,
                    memory.total,
                )
            ),
        ]
        for stage, memory in zip(plan.stages, memories, strict=True)
    ]
    return "\n".join(["Memory of a process in GiB.", *aligned([head, *rows])])


def fit(plan: TrainingPlan, memories: Sequence[Memory]) -> list[str]:
    """Whether the devices have the memory; nothing where the plan names none."""
    if plan.device_gib is None:
        return []
    too_large = [
        f"{stage.name} ({gib(memory.total)}, {gib(memory.total - memory.mask)} without masks)"
        for stage, memory in zip(plan.stages, memories, strict=True)
        if memory.total > plan.device_gib * GIB
    ]
    if not too_large:
        return [f"All stages fit into devices of {plan.device_gib} GiB."]
    return [
        f"Larger than a device of {plan.device_gib} GiB: {', '.join(too_large)}. Use more processes of "
        "tensor, context or pipeline parallelism, or devices with more memory."
    ]


def schedule(plan: TrainingPlan) -> str:
    """Learning rate over the stages."""
    low = plan.learning_rate * plan.final_fraction
    initial = sum(stage.num_steps for stage in plan.stages if stage.name.startswith("initial"))
    return (
        f"Learning rate: {plan.warmup_steps:,} steps up to {plan.learning_rate:.3g}, a cosine to {low:.2g} "
        f"at step {initial:,}, {low:.2g} through long context, linearly to 0 over the "
        f"{plan.stages[-1].num_steps:,} steps of annealing."
    )


def gib(size: int) -> str:
    """Bytes in GiB."""
    return f"{size / GIB:.1f}" if size >= GIB / 10 else f"{size / GIB:.4f}"


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns of equal width: words left, numbers right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if place < 2 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def main(arguments: Sequence[str]) -> int:
    """The program; its exit status."""
    if len(arguments) not in (1, 2):
        sys.stderr.write(f"{USAGE}\n")
        return EXIT_USER_ERROR
    try:
        plan = plan_from(arguments[0])
        sys.stdout.write(f"{dry_run(plan)}\n")
        if len(arguments) == 2:
            for path in write_launch_files(plan, Path(arguments[1])):
                sys.stdout.write(f"{path}\n")
    except ProgramError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_USER_ERROR
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
