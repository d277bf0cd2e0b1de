"""Who answers each prompt, how, and after which system prompt; and which prompts are done together.

Pure. What a prompt gets depends on the configuration and the prompt alone, so every worker and every run
comes to the same. Batches are cut from all prompts, whatever the number of shards, and an answer's last bits
depend on what it is computed together with: so shards give, byte by byte, what one program would give.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from alignment.programs import RejectionConfig, SamplingConfig
from alignment.records import PromptRecord
from alignment.rejection.recipe import Domains, SamplingChange, SystemPrompt
from annotation.records import Message

BATCH_ANSWERS = 1024
"""Answers drawn between two appends to `out`: four times what an engine has in hand at once."""


@dataclass(frozen=True, kw_only=True)
class Draw:
    """One prompt with all that its answers depend on."""

    prompt: PromptRecord
    """As it is asked: with its system prompt."""
    system_prompt: str | None
    """The name of the recipe's system prompt in it."""
    policy: str
    sampling: SamplingConfig


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Prompts that one policy answers together."""

    number: int
    draws: Sequence[Draw]

    @property
    def policy(self) -> str:
        """The name of the one that answers."""
        return self.draws[0].policy


def plan_draws(config: RejectionConfig, prompts: Sequence[PromptRecord]) -> list[Draw]:
    """A draw for every prompt, in order."""
    draws = []
    for prompt in prompts:
        asked, name = with_system_prompt(prompt, config.system_prompts, config.sampling.seed)
        draws.append(
            Draw(
                prompt=asked,
                system_prompt=name,
                policy=config.domain_policies.get(prompt.domain, config.policy_name),
                sampling=sampling_for(prompt, config.sampling, config.domains),
            )
        )
    return draws


def plan_batches(config: RejectionConfig, draws: Sequence[Draw]) -> list[Batch]:
    """All batches of all shards, policy by policy, so that a worker swaps weights once a policy."""
    size = max(1, BATCH_ANSWERS // config.num_candidates)
    parts = [
        own[start : start + size]
        for policy in config.policies
        if (own := [draw for draw in draws if draw.policy == policy])
        for start in range(0, len(own), size)
    ]
    return [Batch(number=number, draws=part) for number, part in enumerate(parts)]


def own_batches(config: RejectionConfig, batches: Sequence[Batch]) -> list[Batch]:
    """The batches of the configuration's shard."""
    return [batch for batch in batches if batch.number % config.num_shards == config.shard]


def sampling_for(prompt: PromptRecord, sampling: SamplingConfig, domains: Domains) -> SamplingConfig:
    """How the prompt is answered: as its domain says, and its domain's language."""
    domain = domains.get(prompt.domain)
    if domain is None:
        return sampling
    language = domain.languages.get(prompt.language, SamplingChange())
    changes = changes_of(domain) | changes_of(language)
    return sampling.model_copy(update=changes)


def changes_of(change: SamplingChange) -> dict[str, float | int]:
    """The values that are given, by field."""
    return change.model_dump(exclude_none=True, exclude={"languages"})


def with_system_prompt(
    prompt: PromptRecord, system_prompts: Sequence[SystemPrompt], seed: int
) -> tuple[PromptRecord, str | None]:
    """The prompt after the system prompt that is drawn for it, and that one's name.

    A prompt with a system message of its own keeps it alone.
    """
    if any(message.role == "system" for message in prompt.context):
        return prompt, None
    point = unit_interval(f"{seed}:system prompt:{prompt.id}")
    for each in system_prompts:
        if each.domains and prompt.domain not in each.domains:
            continue
        if point < each.share:
            context = (Message(role="system", content=each.text), *prompt.context)
            return prompt.model_copy(update={"context": context}), each.name
        point -= each.share
    return prompt, None


def unit_interval(key: str) -> float:
    """A number from 0 up to 1 that depends on the key alone, evenly spread over keys."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:6], "big") / 2**48


def unmatched_domains(config: RejectionConfig, prompts: Sequence[PromptRecord]) -> list[str]:
    """The domains, and languages of domains, that the configuration names and no prompt has."""
    found = {prompt.domain for prompt in prompts}
    spoken = {(prompt.domain, prompt.language) for prompt in prompts}
    named = {
        *config.domains,
        *config.domain_policies,
        *(domain for each in config.system_prompts for domain in each.domains),
        *(config.language_check.domains if config.language_check else ()),
    }
    languages = {
        f"{domain} in {language}"
        for domain, change in config.domains.items()
        for language in change.languages
        if domain in found and (domain, language) not in spoken
    }
    return sorted((named - found) | languages)
