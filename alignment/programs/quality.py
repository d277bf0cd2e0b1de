"""The configurations of quality control of SFT data, and of its judge."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from alignment.programs.parts import CachePath, OutputPath, Part
from alignment.quality.recipe import QualityRecipe
from pretrain.run import ProgramConfig


class JudgeConfig(ProgramConfig):
    """Where a judge answers."""

    url: str
    """Up to and without `/chat/completions`."""
    model: str
    key_file: Annotated[Path | None, Part.NEUTRAL] = None
    """A file with the API key; None for an endpoint that asks for none."""
    code_domains: tuple[str, ...] = ()
    num_at_once: Annotated[int, Part.NEUTRAL] = Field(default=8, ge=1)


class QualityConfig(ProgramConfig):
    """`python -m alignment.sampling.quality`: the SFT examples that are good enough, from what was sampled.

    Writes SftExamples to `out` and every dropped one with its reason to `dropped`. Result: {"num_examples",
    "sources": {source: number}, "sampled_domains": {domain: number of sampled ones}, "steps": [{"name",
    "num_in", "num_kept", "dropped": {reason: number}, "samples"}] in order, "judge": {"num_judged",
    "num_unusable", "mean_quality", "mean_difficulty"} or null, "topics": {"num_labelled", "coarse", "fine":
    accuracies on held-out labels or null, "counts": [{"name", "number", "fine": {name: number}}]} or null,
    "left_out": sentences on what could not be done}.
    """

    candidates: Path
    """JSONL of CandidateSets: the best of each is an example."""
    preferences: Path
    """JSONL of PreferenceRecords: the edited answers in it are examples."""
    evaluation_prompts: Path
    """JSONL of the PromptRecords that the round is evaluated on."""
    recipe: QualityRecipe
    judge: JudgeConfig | None = None
    """Its scores are kept in `judged`."""
    judged: CachePath
    """JSONL of the judge's Judgements, appended one by one."""
    embedder: Path | None = None
    """The checkpoint folder whose hidden states tell dialogs apart, for deduplication and topics."""
    max_row_tokens: int = Field(default=2048, ge=16)
    """Longer dialogs are embedded by their end."""
    num_threads: int = Field(default=1, ge=1)
    out: OutputPath
    topics: OutputPath
    """JSONL of the Topics of the examples in `out`: with `recipe.topics` only."""
    dropped: OutputPath

    @model_validator(mode="after")
    def _dialogs_can_be_compared(self) -> Self:
        if self.recipe.reads_dialogs and self.embedder is None:
            raise ValueError("Semantic deduplication and topics need `embedder`, a causal language model.")
        return self
