"""Which models an IsoFLOP sweep trains, and on how many tokens: each budget split in several ways, by one
rule.

FLOPs are counted as PaLM's appendix B does (Chowdhery et al. 2022): a token costs 6 · W + 12 · L · T · D in
training, where W counts the weights in matrices that a token is multiplied with (the LM head, not the
embedding, which is looked up), L layers, T tokens of a row, D width. It is two for each multiplication and
addition, forward once and backward twice; attention is counted without regard to its mask. For large models
this is the 6 · N · D of Kaplan et al. 2020, with which Llama 3's budgets are stated, too.
"""

from collections.abc import Sequence

from pydantic import Field

from pretrain.failures import ProgramError
from pretrain.recipe import ModelRecipe
from pretrain.run import ProgramConfig

LEAST_STEPS = 20
"""A run of fewer steps has hardly left its warm-up."""


class SizeRule(ProgramConfig):
    """The models that share a budget."""

    num_sizes: int = Field(default=6, ge=4)
    """Models of each budget: a parabola has three numbers, and one more tells how well it fits."""
    width_step: int = Field(default=16, ge=8)
    """Widths are multiples of this."""
    head_size: int = Field(default=16, ge=8)
    num_kv_heads: int = Field(default=1, ge=1)
    width_per_layer: int = Field(default=64, ge=1)
    """Depth follows width; Llama 3 has 102 to 130 at its sizes."""
    min_layers: int = Field(default=2, ge=1)
    min_tokens_per_weight: float = Field(default=1.5, gt=0)
    max_tokens_per_weight: float = Field(default=40, gt=0)
    """A budget's models lie between these; the best is expected well inside."""

    def shape(self, width: int) -> ModelRecipe:
        """The model of a width."""
        return ModelRecipe(
            num_layers=max(self.min_layers, round(width / self.width_per_layer)),
            hidden_size=width,
            head_size=self.head_size,
            num_kv_heads=self.num_kv_heads,
        )

    def describe(self) -> str:
        """The rule for people."""
        return (
            f"{self.num_sizes} models for each budget, as even as may be in the logarithm of width; widths "
            f"in steps of {self.width_step}, a layer for {self.width_per_layer} of width and at least "
            f"{self.min_layers}, heads of {self.head_size}; tokens = budget / (6 W + 12 L T D), between "
            f"{self.min_tokens_per_weight:g} and {self.max_tokens_per_weight:g} for each weight"
        )


class RunPlan(ProgramConfig):
    """One run of the sweep."""

    budget: float
    """FLOPs that it shares with the other runs."""
    model: ModelRecipe
    num_steps: int
    num_tokens: int
    """That the steps read."""
    flops: float
    """Of those tokens: the budget, up to half a step."""


def matrix_weights(model: ModelRecipe, vocabulary_size: int) -> int:
    """Weights that each token is multiplied with."""
    width, key_width = model.hidden_size, model.num_kv_heads * model.head_size
    layer = 2 * width * width + 2 * width * key_width + 3 * width * model.ffn_size
    return model.num_layers * layer + width * vocabulary_size


def flops_per_token(model: ModelRecipe, vocabulary_size: int, sequence_length: int) -> int:
    """FLOPs of a token, forward and backward."""
    attention = 12 * model.num_layers * sequence_length * model.hidden_size
    return 6 * matrix_weights(model, vocabulary_size) + attention


def plan_runs(
    budgets: Sequence[float],
    rule: SizeRule,
    *,
    vocabulary_size: int,
    num_rows: int,
    sequence_length: int,
) -> list[RunPlan]:
    """The sweep, smallest budget first. Raises ProgramError where a budget allows for too few models."""
    plans: list[RunPlan] = []
    step_tokens = num_rows * sequence_length
    for budget in sorted(budgets):
        fitting: list[RunPlan] = []
        width = max(32, rule.width_step)
        while True:
            model = rule.shape(width)
            cost = flops_per_token(model, vocabulary_size, sequence_length)
            tokens_per_weight = budget / cost / matrix_weights(model, vocabulary_size)
            num_steps = round(budget / cost / step_tokens)
            if tokens_per_weight < rule.min_tokens_per_weight or num_steps < LEAST_STEPS:
                break
            if tokens_per_weight <= rule.max_tokens_per_weight:
                num_tokens = num_steps * step_tokens
                fitting.append(
                    RunPlan(
                        budget=budget,
                        model=model,
                        num_steps=num_steps,
                        num_tokens=num_tokens,
                        flops=float(num_tokens * cost),
                    )
                )
            width += rule.width_step
        if len(fitting) < rule.num_sizes:
            raise ProgramError(
                f"A budget of {budget:.2g} FLOPs has room for {len(fitting)} models of {rule.num_sizes}: "
                "raise it, lower num_rows or width_step, or widen the bounds of tokens per weight."
            )
        plans += spread(fitting, rule.num_sizes)
    return plans


def spread(plans: Sequence[RunPlan], count: int) -> list[RunPlan]:
    """So many of the plans, from the narrowest to the widest, as even as may be in the logarithm of width."""
    first, last = plans[0].model.hidden_size, plans[-1].model.hidden_size
    left = list(plans)
    chosen: list[RunPlan] = []
    for place in range(count):
        wanted = first * (last / first) ** (place / (count - 1))
        # Enough must be left for the places to come.
        open_to = left[: len(left) - (count - place - 1)]
        nearest = min(open_to, key=lambda plan: abs(plan.model.hidden_size - wanted))
        chosen.append(nearest)
        left = left[left.index(nearest) + 1 :]
    return chosen
