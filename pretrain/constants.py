"""Llama 3's constants beside ours, with the rule that leads from one to the other. Pure.

Comes in: a TrainingPlan. Goes out: lines of a table. A rule is a function of the plan's own size, so that it
can be tested; where ours does not follow one, the line says so.
"""

from collections.abc import Callable
from dataclasses import dataclass

from pretrain.presets import TrainingPlan, llama_405b
from pretrain.recipe import peak_learning_rate

WIDE = 1024
"""From this width on, heads have 128 units."""
FEW_STEPS = 100_000


@dataclass(frozen=True, kw_only=True)
class Constant:
    """One constant of the recipe."""

    name: str
    of: Callable[[TrainingPlan], float]
    rule: str
    """In words."""
    expected: Callable[[TrainingPlan], float] | None
    """What the rule gives for a plan; None where the constant is chosen for each."""


def ratio_of_lengths(plan: TrainingPlan) -> float:
    """How much longer the last stage's rows are than those before long context."""
    short = [stage for stage in plan.stages if stage.name.startswith("initial")][-1]
    return plan.stages[-1].sequence_length / short.sequence_length


def rate_times_width(plan: TrainingPlan) -> float:
    """The peak rate's constant."""
    return plan.learning_rate * plan.model.hidden_size


CONSTANTS = (
    Constant(
        name="head size",
        of=lambda plan: plan.model.head_size,
        rule=f"128; 32 below a width of {WIDE}",
        expected=lambda plan: 128 if plan.model.hidden_size >= WIDE else 32,
    ),
    Constant(
        name="key-value heads",
        of=lambda plan: plan.model.num_kv_heads,
        rule="8; half of the heads where there are fewer than 16",
        expected=lambda plan: min(8, plan.model.num_heads // 2),
    ),
    Constant(
        name="feed-forward / width",
        of=lambda plan: plan.model.ffn_size / plan.model.hidden_size,
        rule="the paper's by size; else 8/3, up to a multiple of 32",
        expected=None,
    ),
    Constant(
        name="RoPE θ",
        of=lambda plan: plan.model.rope_theta,
        rule="the same",
        expected=lambda plan: 500_000,
    ),
    Constant(
        name="peak rate × width",
        of=rate_times_width,
        rule="peak rate falls with the width: 1.23 to 1.31 at batches of millions, 0.5 of thousands",
        expected=lambda plan: (
            rate_times_width(plan)
            if 1.2 < rate_times_width(plan) < 1.32
            else peak_learning_rate(plan.model.hidden_size) * plan.model.hidden_size
        ),
    ),
    Constant(
        name="end of the cosine / peak",
        of=lambda plan: plan.final_fraction,
        rule=f"1%; 10% below {FEW_STEPS:,} steps, where 1% changes nothing any more",
        expected=lambda plan: 0.1 if plan.num_steps < FEW_STEPS else 0.01,
    ),
    Constant(
        name="warm-up steps",
        of=lambda plan: plan.warmup_steps,
        rule="no rule: chosen for each",
        expected=None,
    ),
    Constant(
        name="longest / shortest rows",
        of=ratio_of_lengths,
        rule="16 with gates; without, 4 (small)",
        expected=None,
    ),
    Constant(
        name="annealing / all steps",
        of=lambda plan: plan.stages[-1].num_steps / plan.num_steps,
        rule="no rule: at least 100 steps for ours",
        expected=None,
    ),
)


def constants_table(plan: TrainingPlan) -> list[str]:
    """A line for each constant: Llama 3 405B's, this plan's, the rule."""
    paper = llama_405b()
    rows = [("constant", "Llama 3 405B", plan.name, "rule")] + [
        (constant.name, f"{constant.of(paper):.6g}", f"{constant.of(plan):.6g}", constant.rule)
        for constant in CONSTANTS
    ]
    widths = [max(len(row[place]) for row in rows) for place in range(3)]
    return [f"{row[0]:<{widths[0]}}  {row[1]:>{widths[1]}}  {row[2]:>{widths[2]}}  {row[3]}" for row in rows]
