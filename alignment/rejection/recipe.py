"""What rejection sampling is told beyond K: sampling by domain, system prompts, the language check.

Pure. Parts of the round's recipe and of the program's configuration alike. The paper (The Llama 3 Herd of
Models, section 4.2.2 and 4.3.2) names system prompts, a temperature of its own for multilingual prompts and a
check of the language; the numbers below are ours.
"""

from collections import Counter
from typing import Annotated

from pydantic import AfterValidator, Field

from pretrain.run import ProgramConfig

BEST = "best"
"""In place of a checkpoint's name: the policy that evaluations found best for the domain."""


class SamplingChange(ProgramConfig):
    """What is drawn otherwise than the recipe's `sampling` says; None leaves it as it is."""

    temperature: float | None = Field(default=None, ge=0)
    """As in SamplingConfig."""
    top_p: float | None = Field(default=None, gt=0, le=1)
    """As in SamplingConfig."""
    max_tokens: int | None = Field(default=None, ge=1)
    """As in SamplingConfig."""


class DomainSampling(SamplingChange):
    """How a domain's prompts are answered."""

    languages: dict[str, SamplingChange] = {}
    """What is different again for the domain's prompts in a language, such as "de"."""


class SystemPrompt(ProgramConfig):
    """A system prompt that steers tone, style or format."""

    name: str = Field(min_length=1)
    """What candidates that were asked with it are marked with."""
    text: str = Field(min_length=1)
    """The system message."""
    share: float = Field(gt=0, le=1)
    """The part of the prompts that is asked with it; of those that bring no system message of their own."""
    domains: tuple[str, ...] = ()
    """Only prompts of these domains; of all where none is named."""


class LanguageCheck(ProgramConfig):
    """Refuse answers in another language than their prompt's."""

    domains: tuple[str, ...] = ()
    """Only prompts of these domains; of all where none is named."""
    min_confidence: float = Field(default=0.9, gt=0.5, lt=1)
    """How sure the detector must be of the other language."""
    min_letters: int = Field(default=40, ge=1)
    """Shorter answers, code not counted, are not judged."""


def shares_fit(system_prompts: tuple[SystemPrompt, ...]) -> tuple[SystemPrompt, ...]:
    """The system prompts, if every one has its name and no domain has more than one for each prompt."""
    twice = [name for name, count in Counter(each.name for each in system_prompts).items() if count > 1]
    if twice:
        raise ValueError(f"rejection.system_prompts has the name {twice[0]!r} twice: give each one its own.")
    for domain in {"", *(domain for each in system_prompts for domain in each.domains)}:
        shares = sum(each.share for each in system_prompts if not each.domains or domain in each.domains)
        if shares > 1 + 1e-9:
            where = f"the domain {domain!r}" if domain else "all domains"
            raise ValueError(
                f"rejection.system_prompts has shares for {where} that sum to {shares:g}: "
                "lower them to 1 at most; what is left is asked without one."
            )
    return system_prompts


SystemPrompts = Annotated[tuple[SystemPrompt, ...], AfterValidator(shares_fit)]
Domains = dict[str, DomainSampling]
