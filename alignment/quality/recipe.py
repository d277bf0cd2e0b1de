"""What quality control of SFT data is told: a part of the round's recipe.

Pure. The defaults follow The Llama 3 Herd of Models, section 4.2.3, where it gives numbers; where a default
is ours, its docstring says so.
"""

import re
from pathlib import Path
from typing import Self

from pydantic import Field, field_validator, model_validator

from pretrain.run import ProgramConfig


class PhraseRule(ProgramConfig):
    """A phrase that models overuse, and how much of it is welcome."""

    name: str
    """What the reports call it."""
    pattern: str
    """A regular expression, found anywhere in the response but in its code, upper or lower case."""
    max_share: float = Field(ge=0, lt=1)
    """The part of the examples that may have it; 0 drops all that do."""

    @field_validator("pattern")
    @classmethod
    def _is_an_expression(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(
                f"quality.phrases cannot have the pattern {value!r}, which is no regular expression: {error}."
            ) from error
        return value


PHRASES = (
    PhraseRule(
        name="emoji",
        # Without ♩ to ♯, which are music.
        pattern="[\U0001f1e6-\U0001f1ff\U0001f300-\U0001faff\u2600-\u2668\u2670-\u27bf]",
        max_share=0.1,
    ),
    PhraseRule(name="exclamation marks", pattern="[!！]", max_share=0.25),
    PhraseRule(
        name="apologies", pattern=r"\bI(?:['’]m| am) (?:very |so )?sorry\b|\bI apologi[sz]e\b", max_share=0.05
    ),
)
"""The paper's overused phrases; the shares are ours."""


class OverlapRecipe(ProgramConfig):
    """When a prompt is too like an evaluation prompt to be learned from."""

    max_similarity: float | None = Field(default=0.5, gt=0, le=1)
    """Jaccard similarity of word n-grams from which it counts as the same; None: only equal ones do. Ours,
    chosen on real prompts (docs/quality-control.md)."""
    ngram_words: int = Field(default=3, ge=1)
    """n. Ours."""


class DedupRecipe(ProgramConfig):
    """When two dialogs mean so nearly the same that one is enough."""

    max_cosine: float = Field(default=0.95, gt=0, le=1)
    """Of their embeddings, the base's mean hidden states, centred. The paper's threshold is not known."""
    cluster_size: int = Field(default=100, ge=2)
    """About how many dialogs are compared with each other. Ours."""


class TopicsRecipe(ProgramConfig):
    """What the topics of the examples are learned from."""

    labels: Path
    """JSONL of labelled prompts: {"context": [{"role", "content"}, …], "coarse", "fine"}."""


class JudgeRecipe(ProgramConfig):
    """Who scores quality and difficulty: an OpenAI-compatible endpoint, or a deployed model."""

    url: str | None = Field(default=None, pattern="^https?://")
    """The endpoint up to and without `/chat/completions`; JUDGE_KEY_FILE names the file with its key."""
    model: str | None = None
    """The name that the endpoint knows the judge by."""
    deployment: str | None = None
    """Instead of both: the name of a live deployment."""
    code_domains: tuple[str, ...] = ("code", "coding")
    """The domains of prompts whose answers are graded as code."""
    num_at_once: int = Field(default=8, ge=1)
    """Questions under way."""

    @model_validator(mode="after")
    def _is_somebody(self) -> Self:
        if (self.deployment is None) == (self.url is None) or (self.url is None) != (self.model is None):
            raise ValueError(
                "judge cannot be found: give the url and the model of an endpoint, or the name of a "
                "deployment."
            )
        return self


class QualityRecipe(ProgramConfig):
    """Which SFT examples are learned from."""

    overlap: OverlapRecipe = OverlapRecipe()
    phrases: tuple[PhraseRule, ...] = PHRASES
    top_reward_share: float = Field(default=0.25, gt=0, le=1)
    """The part of the sampled answers with the highest rewards that is good enough."""
    min_examples: int = Field(default=1000, ge=0)
    """So many sampled answers are kept by reward where the share would be fewer. Ours."""
    dedup: DedupRecipe | None = None
    """Semantic deduplication; None leaves it out. Look at what it drops before trusting a threshold."""
    judge: JudgeRecipe | None = None
    """None leaves the judge's quality and the difficulty out."""
    topics: TopicsRecipe | None = None
    """None leaves the topics of the examples out."""

    @property
    def reads_dialogs(self) -> bool:
        """Whether a step needs a language model's hidden states."""
        return self.dedup is not None or self.topics is not None
