"""What a project's judgements lack before a round may train on them: plain checks on plain numbers.

Pure. Each check has its figure, what is asked, and, where it is not met, a sentence with exactly what is
missing; an admin may override with a reason, which is kept.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import Field

from alignment.data_gate.recipe import DataGateRecipe
from pretrain.run import ProgramConfig

MAX_DAYS = 3650

State = Literal["met", "missing", "unmeasured", "not_asked"]


class Estimate(ProgramConfig):
    """A figure with its 95% interval, over `num` cases."""

    value: float
    low: float
    high: float
    num: int


class Covered(ProgramConfig):
    """How many of a domain's train prompts have a usable judgement."""

    num_prompts: int
    num_covered: int

    @property
    def share(self) -> float:
        """Of the prompts, that are covered."""
        return self.num_covered / self.num_prompts if self.num_prompts else 0.0


class DataFigures(ProgramConfig):
    """What there is now."""

    num_judgements: int
    """All that count, whatever their grade."""
    num_strong: int
    """Those that would train: strong grades, of different answers, not held out."""
    agreement: Estimate | None = None
    """Krippendorff's ordinal α of the grades, `num` comparisons judged by several; None where undefined."""
    num_shared: int = 0
    gold: Estimate | None = None
    """Share right on checks among the work."""
    domains: Mapping[str, Covered] = Field(default_factory=dict)
    strong_per_day: float = 0.0
    """Of those that train, as many come in a day at this week's pace."""

    @property
    def coverage(self) -> Covered:
        """All domains as one."""
        return Covered(
            num_prompts=sum(row.num_prompts for row in self.domains.values()),
            num_covered=sum(row.num_covered for row in self.domains.values()),
        )

    @property
    def training_share(self) -> float:
        """The part of judgements that comes to train; a half before there are any."""
        return self.num_strong / self.num_judgements if self.num_judgements and self.num_strong else 0.5


class DataCheck(ProgramConfig):
    """One thing that is asked of the judgements."""

    name: Literal["strong", "agreement", "gold", "coverage", "domains"]
    state: State
    value: float | None = None
    """Of the figure: a count for "strong", else a share or α."""
    low: float | None = None
    high: float | None = None
    """The interval's ends, where there is one."""
    asked: float | None = None
    """What the figure, or its lower end, must be above ("strong": at least)."""
    problem: str = ""
    """What is missing, in a sentence; empty where the gate may open."""
    note: str = ""
    """Why it was not measured, in a sentence."""


def data_checks(figures: DataFigures, recipe: DataGateRecipe, *, min_judgements: int) -> list[DataCheck]:
    """Every check in the order in which a page shows them."""
    return [
        _strong(figures, min_judgements),
        _agreement(figures, recipe),
        _gold(figures, recipe),
        _coverage(figures, recipe),
        _domains(figures, recipe),
    ]


def problems(checks: Sequence[DataCheck]) -> list[str]:
    """What keeps the gate closed, a sentence each."""
    return [check.problem for check in checks if check.problem]


def judgements_missing(figures: DataFigures, recipe: DataGateRecipe, *, min_judgements: int) -> int:
    """About how many more judgements, of any grade, would fill what more judgements can fill."""
    strong = max(0, min_judgements - figures.num_strong)
    wanted = math.ceil(strong / figures.training_share)
    uncovered = _uncovered(figures.coverage, recipe.min_coverage)
    for row in _asked_domains(figures, recipe).values():
        uncovered = max(uncovered, _uncovered(row, recipe.min_domain_coverage))
    return max(wanted, math.ceil(uncovered / figures.training_share))


def _strong(figures: DataFigures, min_judgements: int) -> DataCheck:
    missing = min_judgements - figures.num_strong
    problem = ""
    if missing > 0:
        few = f"{missing:,} more strong {'judgement is' if missing == 1 else 'judgements are'} needed"
        problem = (
            f"{few}: {figures.num_strong:,} can train and snapshot.min_judgements asks for "
            f"{min_judgements:,}; {_when(missing, figures.strong_per_day)}."
        )
    return DataCheck(
        name="strong",
        state="missing" if problem else "met",
        value=figures.num_strong,
        asked=min_judgements,
        problem=problem,
    )


def _when(missing: int, per_day: float) -> str:
    if per_day <= 0:
        return "nobody has given any this week"
    days = missing / per_day
    if days > MAX_DAYS:
        return "at this week's pace not in ten years"
    if days <= 1:
        hours = max(1, math.ceil(24 * days))
        return f"at this week's pace in {hours} {'hour' if hours == 1 else 'hours'}"
    return f"at this week's pace in {math.ceil(days)} days"


def _agreement(figures: DataFigures, recipe: DataGateRecipe) -> DataCheck:
    found, least = figures.agreement, recipe.min_agreement
    if found is None or figures.num_shared < recipe.min_shared:
        note = (
            f"{_several(figures.num_shared)} judged by several people, and {recipe.min_shared} are needed to "
            "measure it: set the project's overlap to 2 for a part of the work."
        )
        return _unmeasured("agreement", least, note, recipe)
    problem = ""
    if least is not None and found.low <= least:
        problem = (
            f"Agreement (Krippendorff's α of the grades) is {found.value:.2f} with a lower end of "
            f"{found.low:.2f}, not above {least:g}: {_agreement_advice(found, least)}."
        )
    return _estimated("agreement", found, least, problem)


def _agreement_advice(found: Estimate, least: float) -> str:
    if found.value <= least:
        return "look at the disagreements and make the guidelines clearer, for more of the same will not help"
    # The interval narrows with the square root of the comparisons.
    times = ((found.value - found.low) / (found.value - least)) ** 2
    needed = math.floor(round(found.num * times, 6)) + 1
    return (
        f"if it stays at {found.value:.2f}, about {max(1, needed - found.num):,} more comparisons judged by "
        "several people will show it"
    )


def _gold(figures: DataFigures, recipe: DataGateRecipe) -> DataCheck:
    found, least = figures.gold, recipe.min_gold_accuracy
    if found is None or found.num < recipe.min_gold:
        num = found.num if found else 0
        note = (
            f"{num} {'judgement' if num == 1 else 'judgements'} of checks, and {recipe.min_gold} are needed "
            "to measure it: make gold comparisons under Checks."
        )
        return _unmeasured("gold", least, note, recipe)
    problem = ""
    if least is not None and found.low <= least:
        problem = (
            f"People are right on {found.value:.0%} of {found.num:,} checks with a lower end of "
            f"{found.low:.0%}, not above {least:.0%}: look at who errs under Quality, and at checks that "
            "most people get wrong."
        )
    return _estimated("gold", found, least, problem)


def _coverage(figures: DataFigures, recipe: DataGateRecipe) -> DataCheck:
    row, least = figures.coverage, recipe.min_coverage
    if not row.num_prompts:
        return _unmeasured("coverage", least, "The project has no train prompts of its own.", recipe)
    missing = _uncovered(row, least)
    problem = ""
    if missing:
        problem = (
            f"{row.num_covered:,} of {row.num_prompts:,} train prompts have a judgement that counts "
            f"({row.share:.0%}), not above {least:.0%}: {missing:,} more prompts must be judged."
        )
    return DataCheck(
        name="coverage",
        state="not_asked" if least is None else "missing" if problem else "met",
        value=row.share,
        asked=least,
        problem=problem,
    )


def _domains(figures: DataFigures, recipe: DataGateRecipe) -> DataCheck:
    rows, least = _asked_domains(figures, recipe), recipe.min_domain_coverage
    if not rows:
        note = f"No domain has {recipe.min_domain_prompts} train prompts."
        return DataCheck(name="domains", state="unmeasured", asked=least, note=note)
    short = {name: missing for name, row in rows.items() if (missing := _uncovered(row, least))}
    problem = ""
    if short:
        listed = ", ".join(f"{name} {missing:,}" for name, missing in sorted(short.items()))
        problem = (
            f"Domains with too few prompts judged, and how many more each needs: {listed}. Have more made, "
            "or leave the domains' prompts out."
        )
    return DataCheck(
        name="domains",
        state="not_asked" if least is None else "missing" if problem else "met",
        value=min(row.share for row in rows.values()),
        asked=least,
        problem=problem,
    )


def _asked_domains(figures: DataFigures, recipe: DataGateRecipe) -> dict[str, Covered]:
    return {
        name: row for name, row in figures.domains.items() if row.num_prompts >= recipe.min_domain_prompts
    }


def _uncovered(row: Covered, least: float | None) -> int:
    """How many more prompts must be covered for the share to be above `least`."""
    if least is None or not row.num_prompts:
        return 0
    return max(0, math.floor(least * row.num_prompts) + 1 - row.num_covered)


def _estimated(
    name: Literal["agreement", "gold"], found: Estimate, least: float | None, problem: str
) -> DataCheck:
    return DataCheck(
        name=name,
        state="not_asked" if least is None else "missing" if problem else "met",
        value=found.value,
        low=found.low,
        high=found.high,
        asked=least,
        problem=problem,
    )


def _unmeasured(
    name: Literal["agreement", "gold", "coverage"], least: float | None, note: str, recipe: DataGateRecipe
) -> DataCheck:
    must = name in recipe.must_be_measured
    words = {"agreement": "Agreement", "gold": "Accuracy on checks", "coverage": "Coverage"}
    problem = f"{words[name]} is not measured and the recipe asks for it: {note}" if must else ""
    return DataCheck(
        name=name, state="missing" if must else "unmeasured", asked=least, problem=problem, note=note
    )


def _several(num: int) -> str:
    return f"{num:,} {'comparison was' if num == 1 else 'comparisons were'}"
