"""The configuration of the program that lets a judge label documents for a classifier of pretraining's."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from alignment.programs.parts import CachePath, OutputPath
from alignment.programs.quality import JudgeConfig
from pretrain.run import ProgramConfig

KIND = r"^\S{1,64}$"
"""A kind's name: no spaces, as fastText's labels have none."""


class LabelDocumentsConfig(ProgramConfig):
    """`python -m alignment.sampling.label_documents`: a judge's labels of a sample of documents.

    Writes JSON lines to `out`: {"text", "label"} for `pretrain.curation.train_classifier` where
    `requirements` are given, {"text", "kind"} for `pretrain.curation.train_kinds` where `kinds` are. Result:
    {"num_documents", "num_labelled", "num_unusable", "labels": {label or kind: number}}.
    """

    documents: Path
    """A folder of curation's shards; what their filters dropped is not in it."""
    judge: JudgeConfig
    requirements: str = Field(default="", max_length=20_000)
    """What a document must meet, as people wrote it down: the label is whether it does."""
    kinds: dict[Annotated[str, Field(pattern=KIND)], str] = Field(default_factory=dict)
    """What documents may be about: each kind and what belongs to it."""
    num_documents: int = Field(default=5000, ge=1)
    """Drawn from all of them by the seed, each as likely as any other."""
    max_characters: Annotated[int, Field(ge=100)] = 6000
    """Of a longer document the judge sees, and the classifier learns, the beginning."""
    seed: int = 0
    judged: CachePath
    """JSONL of the judge's DocumentLabels, appended one by one."""
    out: OutputPath

    @model_validator(mode="after")
    def _asks_one_thing(self) -> Self:
        if bool(self.requirements.strip()) == bool(self.kinds):
            raise ValueError("Give either `requirements` or `kinds`.")
        if len(self.kinds) == 1:
            raise ValueError("Give two `kinds` or more.")
        return self
