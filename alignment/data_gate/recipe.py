"""What the data gate asks of the judgements before training: a part of the round's recipe.

Pure. How many judgements must be able to train is `snapshot.min_judgements`; the rest is here. The paper
gives no thresholds: the defaults are ours.
"""

from typing import Literal

from pydantic import Field

from pretrain.run import ProgramConfig

Measurable = Literal["agreement", "gold", "coverage"]
"""What may not be measured: nobody judged the same comparison, there are no checks, or no prompts."""


class DataGateRecipe(ProgramConfig):
    """What must hold before a round trains. None asks for nothing."""

    min_agreement: float | None = Field(default=0.2, ge=-1, le=1)
    """The lower end of the interval of Krippendorff's α (ordinal, of the grades) must be above this. Below
    0.2 agreement counts as slight (Landis and Koch 1977)."""
    min_shared: int = Field(default=50, ge=2)
    """Comparisons that several people judged; with fewer, agreement counts as not measured."""
    min_gold_accuracy: float | None = Field(default=0.6, ge=0, le=1)
    """The lower end of Wilson's interval of the share right on gold and attention checks must be above it."""
    min_gold: int = Field(default=20, ge=1)
    """Checks judged; with fewer, their accuracy counts as not measured."""
    min_coverage: float | None = Field(default=None, ge=0, lt=1)
    """The share of the train prompts with a judgement that trains or is held out must be above this."""
    min_domain_coverage: float | None = Field(default=0.0, ge=0, lt=1)
    """The same for every domain; 0 asks for at least one judgement in each."""
    min_domain_prompts: int = Field(default=20, ge=1)
    """Domains with fewer train prompts are not asked for."""
    must_be_measured: tuple[Measurable, ...] = ()
    """What keeps the gate closed where it cannot be measured; of all else that is only said."""
