"""The configurations of the programs that sample and serve, and of vLLM inside them."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from alignment.programs.parts import OutputPath, Part
from alignment.rejection.recipe import Domains, LanguageCheck, SystemPrompts
from pretrain.run import ProgramConfig


class EngineConfig(ProgramConfig):
    """How vLLM runs inside the sampling programs."""

    num_threads: int = Field(default=2, ge=1)
    """torch threads of one engine on the processor."""
    kv_cache_gib: float = Field(default=1.0, gt=0)
    """GiB for the keys and values of answers under way, on the processor."""
    max_model_len: int | None = Field(default=None, ge=16)
    """None: the model's own limit."""
    gpu_memory_fraction: float = Field(default=0.85, gt=0, le=1)
    """Of the GPU's memory, where there is one."""
    device: Literal["auto", "cuda"] = "auto"
    """auto: a GPU where there is one. cuda: a worker without one fails and says so."""


class SamplingConfig(ProgramConfig):
    """How answers are drawn."""

    temperature: float = Field(default=1.0, ge=0)
    """Divides the logits; 0 takes the likeliest token each time."""
    top_p: float = Field(default=1.0, gt=0, le=1)
    """Only the likeliest tokens that together have this probability are drawn from."""
    max_tokens: int = Field(ge=1)
    """The longest answer."""
    seed: int = 0
    """The same seed draws the same answers."""


class RejectionConfig(ProgramConfig):
    """`python -m alignment.sampling.rejection`: K answers a prompt, scored, the best marked.

    Writes CandidateSets to `out` (JSONL, appended batch by batch: a killed program goes on where it was).
    Result: the figures of `alignment.rejection.figures`, with "num_skipped", prompts too long for their
    policy, and "unmatched_domains", those that are named here and that no prompt has.
    """

    policy: Path
    policy_name: str = "policy"
    other_policies: dict[str, Path] = {}
    """Further checkpoint folders, by name."""
    domain_policies: dict[str, str] = {}
    """The name of the policy that answers a domain's prompts; `policy` answers all others."""
    reward_model: Path
    prompts: Path
    """JSONL of PromptRecords."""
    num_candidates: int = Field(ge=2)
    """K."""
    sampling: SamplingConfig
    domains: Domains = {}
    system_prompts: SystemPrompts = ()
    language_check: LanguageCheck | None = None
    engine: EngineConfig = EngineConfig()
    shard: int = Field(default=0, ge=0)
    num_shards: int = Field(default=1, ge=1)
    """This program does the batches of `shard` alone. Every shard is given all prompts."""
    out: OutputPath
    """The JSONL of CandidateSets."""

    @property
    def policies(self) -> dict[str, Path]:
        """All policies' folders by name."""
        return {self.policy_name: self.policy, **self.other_policies}

    @model_validator(mode="after")
    def _every_name_is_known(self) -> Self:
        unknown = sorted(set(self.domain_policies.values()) - set(self.policies))
        if unknown:
            raise ValueError(f"There is no policy {unknown[0]!r}: name it in other_policies.")
        if self.shard >= self.num_shards:
            raise ValueError(f"There is no shard {self.shard} of {self.num_shards}: they count from 0.")
        return self


class GatherConfig(ProgramConfig):
    """`python -m alignment.sampling.gathering`: one file and one result from a stage's shards.

    Writes the CandidateSets of all shards to `out` in the prompts' order. Result: as RejectionConfig's.
    """

    shards: Annotated[tuple[Path, ...], Part.RUN_FOLDERS] = Field(min_length=1)
    """The shards' run folders."""
    out: OutputPath


class ServeConfig(ProgramConfig):
    """`python -m alignment.sampling.serve`: one checkpoint behind vLLM's OpenAI-compatible server.

    Runs until it is told to stop; writes no result.
    """

    checkpoint: Path
    served_name: str
    host: str = "127.0.0.1"
    port: int
    engine: EngineConfig = EngineConfig()
