"""The course of a pretraining whose long-context stages end when their gates let them. Pure but for what
measures the gates.

Comes in: a recipe and, for gated ones, a function that measures the model. Goes out: for each step its stage
and its learning rate; the length of the training as far as it is known; and, where a stage has come to its
most steps without passing, the sentence that holds the training. What was decided and measured is part of
every checkpoint, so that a killed training decides the same again.

(Llama 3, section 3.4.2: six stages from 8K to 128K tokens; a stage has succeeded when short-context results
have recovered completely and needle-in-a-haystack is solved up to its length.)
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from pretrain.recipe import (
    PretrainRecipe,
    StagePlan,
    StageRecipe,
    averaged_steps,
    learning_rate_at,
    stage_plans,
)

LENGTH_STEPS = 16
"""Stage lengths are multiples of this part of the initial length."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A look at the model on the way."""

    short_loss: float
    """Nats per held-out token at the initial length."""
    recall: float | None
    """Needles completed exactly at the stage's length; None before long context."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """A look at a gate."""

    step: int
    stage: int
    """From 1."""
    length: int
    short_loss: float
    recall: float
    passed: bool


@dataclass
class Memory:
    """What a checkpoint remembers of a course."""

    short_loss_before: float | None = None
    """At the end of the initial stage: what the short loss must come back to."""
    ends: list[int] = field(default_factory=list)
    """After how many steps each long-context stage that is over ended."""
    checks: list[dict[str, Any]] = field(default_factory=list)  # Any: the fields of Check
    """Every look, as plain values."""


Measure = Callable[[int | None], Measured]
"""Measure the short loss and, at a length, recall."""


def long_context_stages(recipe: PretrainRecipe) -> list[StageRecipe]:
    """The long-context stages' rows, in order; one, where there are no gates.

    Lengths rise by the same factor each time, from the initial length (not itself a stage) to
    `long_context`'s; with Llama 3's 8K, 128K and six: 12.5K, 20K, 32K, 51K, 80.5K, 128K. Steps read the
    same number of tokens in all of them, so rows become fewer, but never less than two.
    """
    last = recipe.long_context
    if recipe.gates is None:
        return [last]
    short = recipe.initial.sequence_length
    grain = max(1, short // LENGTH_STEPS)
    stages = []
    for place in range(1, recipe.gates.num_stages + 1):
        exact = short * (last.sequence_length / short) ** (place / recipe.gates.num_stages)
        length = last.sequence_length if place == recipe.gates.num_stages else round(exact / grain) * grain
        num_rows = max(2, round(last.tokens_per_step / length))
        stages.append(StageRecipe(num_steps=last.num_steps, num_rows=num_rows, sequence_length=length))
    return stages


class GatedCourse:
    """Which stage a step belongs to, as far as gates have decided it; fixed where the recipe has none."""

    def __init__(
        self,
        recipe: PretrainRecipe,
        measure: Measure | None = None,
        on_long_context: Callable[[], None] | None = None,
    ) -> None:
        """`measure` is wanted where the recipe has gates and steps are taken. `on_long_context` is called
        when gated long context begins, and when a training goes on inside or after it."""
        self._recipe = recipe
        self._measure = measure
        self._on_long_context = on_long_context
        self._stages = long_context_stages(recipe)
        self.memory = Memory()
        self.held: str | None = None

    def restore(self, memory: dict[str, Any]) -> None:  # Any: plain values
        """Go on from what a checkpoint remembers; a stage that was held may go on under other limits."""
        self.memory = Memory(**memory)
        if self.memory.short_loss_before is not None:
            self._begin_long_context()
        if self._recipe.gates is not None and self.memory.checks:
            self.held = self._reason_to_hold(Check(**self.memory.checks[-1]))

    def after_step(self, num_done: int) -> dict[str, Any]:  # Any: plain values
        """Look at the gate where it is time; what a checkpoint must remember."""
        if self._recipe.gates is not None:
            if num_done == self._recipe.initial.num_steps:
                self.memory.short_loss_before = self._look(None).short_loss
                self._begin_long_context()
            elif self._is_due(num_done):
                self._check(num_done)
        # A copy: the memory goes on while a checkpoint is written.
        return asdict(self.memory)

    @property
    def num_steps(self) -> int:
        """Of the whole training: at most, until the last gate has passed."""
        return self._annealing().end

    @property
    def annealing_first(self) -> int | None:
        """The first step of annealing; None while a gate is yet to pass."""
        if self._recipe.gates is not None and len(self.memory.ends) < len(self._stages):
            return None
        return self._annealing().first

    def stage_at(self, step: int) -> StagePlan:
        """The stage that `step` (from 0) belongs to. A gated stage ends at its most steps, until it has
        passed."""
        return next(plan for plan in self._plans() if step < plan.end)

    def learning_rate_at(self, step: int) -> float:
        """The learning rate of `step` (from 0)."""
        # Annealing's counts from its own beginning; long context stays at the rate reached.
        return learning_rate_at(self._as_fixed(), step)

    def averaged_steps(self) -> tuple[int, ...]:
        """After how many steps a checkpoint is taken for the average; empty while that is not known."""
        return () if self.annealing_first is None else averaged_steps(self._as_fixed())

    def check_at(self, num_done: int) -> Check | None:
        """The look at a gate after a step, if there was one."""
        checks = self.memory.checks
        return Check(**checks[-1]) if checks and checks[-1]["step"] == num_done else None

    def results(self) -> list[dict[str, Any]]:  # Any: plain values
        """Of every gated stage that has passed: its length, steps, and the figures it passed with."""
        firsts = [self._recipe.initial.num_steps, *self.memory.ends]
        return [
            {**check, "num_steps": check["step"] - firsts[check["stage"] - 1]}
            for check in self.memory.checks
            if check["passed"]
        ]

    def _begin_long_context(self) -> None:
        if self._on_long_context is not None:
            self._on_long_context()

    def _annealing(self) -> StagePlan:
        return self._plans()[-1]

    def _plans(self) -> list[StagePlan]:
        initial, _, annealing = stage_plans(self._recipe)
        plans, first = [initial], initial.end
        for place, stage in enumerate(self._stages):
            if self._recipe.gates is None:
                end = first + stage.num_steps
            elif place < len(self.memory.ends):
                end = self.memory.ends[place]
            else:
                end = first + self._recipe.gates.max_steps
            plans.append(StagePlan("long_context", stage, first, end))
            first = end
        num_annealing = annealing.end - annealing.first
        return [*plans, StagePlan("annealing", annealing.recipe, first, first + num_annealing)]

    def _as_fixed(self) -> PretrainRecipe:
        """The recipe with all of long context as one stage of the length known by now."""
        num_long = self._annealing().first - self._recipe.initial.num_steps
        whole = self._recipe.long_context.model_copy(update={"num_steps": num_long})
        return self._recipe.model_copy(update={"long_context": whole})

    def _is_due(self, num_done: int) -> bool:
        gates = self._recipe.gates
        assert gates is not None
        if num_done <= self._recipe.initial.num_steps or len(self.memory.ends) == len(self._stages):
            return False
        in_stage = num_done - self._first_of_stage()
        least = self._recipe.long_context.num_steps
        return in_stage == gates.max_steps or (
            in_stage >= least and (in_stage - least) % gates.check_every == 0
        )

    def _first_of_stage(self) -> int:
        """The first step of the long-context stage that is under way."""
        return self.memory.ends[-1] if self.memory.ends else self._recipe.initial.num_steps

    def _check(self, num_done: int) -> None:
        place = len(self.memory.ends)
        length = self._stages[place].sequence_length
        found = self._look(length)
        assert found.recall is not None
        check = Check(
            step=num_done,
            stage=place + 1,
            length=length,
            short_loss=found.short_loss,
            recall=found.recall,
            passed=not self._missing(found.short_loss, found.recall),
        )
        self.memory.checks.append(asdict(check))
        if check.passed:
            self.memory.ends.append(num_done)
        self.held = self._reason_to_hold(check)

    def _look(self, length: int | None) -> Measured:
        assert self._measure is not None, "gates without a measure"
        return self._measure(length)

    def _missing(self, short_loss: float, recall: float) -> list[str]:
        """What keeps a gate from passing, in words with its figures."""
        gates, before = self._recipe.gates, self.memory.short_loss_before
        assert gates is not None and before is not None
        missing = []
        most = before * (1 + gates.loss_tolerance)
        # Not "greater": a loss that is no number has not recovered.
        if not short_loss <= most:
            missing.append(
                f"the loss at {self._recipe.initial.sequence_length} tokens is {short_loss:.4f}, above "
                f"{most:.4f} ({before:.4f} before long context, and {gates.loss_tolerance:.0%})"
            )
        if not recall >= gates.min_recall:
            missing.append(f"{recall:.0%} of the needles are found, fewer than {gates.min_recall:.0%}")
        return missing

    def _reason_to_hold(self, check: Check) -> str | None:
        gates = self._recipe.gates
        assert gates is not None
        missing = self._missing(check.short_loss, check.recall)
        if check.passed or check.step - self._first_of_stage() < gates.max_steps:
            return None
        return (
            f"Long-context stage {check.stage} of {len(self._stages)} (rows of {check.length} tokens) holds "
            f"after {gates.max_steps} steps: {' and '.join(missing)}. The checkpoint is kept: start again "
            "with a larger gates.max_steps to go on, or look at rope_theta, gates.rope and the learning "
            "rate and start anew."
        )
