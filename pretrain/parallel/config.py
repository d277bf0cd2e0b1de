"""The configuration of `python -m pretrain.parallel.train run.json`. Pure: written by the web side, too."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from pretrain.mix import Mix
from pretrain.parallel.plan import ParallelPlan
from pretrain.parallel.schedule import TokenSchedule
from pretrain.recipe import ModelRecipe
from pretrain.run import ProgramConfig


class ParallelConfig(ProgramConfig):
    """A base model trained on a mesh of processes, from random weights.

    Result: {"num_parameters", "num_steps", "num_tokens", "seconds", "loss", "mesh", "ledger"}, with
    `holdout_fraction` "holdout_loss"; losses are nats per token, "loss" over the last tenth of the steps, the
    ledger as of `pretrain.config`.
    """

    model: ModelRecipe
    tokenizer: Path
    """A tokenizer's folder, as `pretrain.tokenizer` saves it."""
    corpus: Path
    """A file or a folder of .jsonl and .txt files, gzip or not; or the shards of a step of curation."""
    mix: Mix | None = None
    """How much of each source is drawn when; None: all documents, epoch after epoch. It may change between
    sittings, from a token on that was not drawn yet. Annealing is a phase of it here."""
    holdout_fraction: float = Field(default=0, ge=0, lt=1)
    """Of the documents, drawn by content and seed, that nothing is learned from."""
    evaluate_every: int | None = Field(default=None, ge=1)
    """Steps between two looks at the loss of held-out documents (`evaluation_loss`), in rows of the first
    phase; None looks at the end only."""
    out: Path
    """The trained model as a checkpoint folder."""
    plan: ParallelPlan = ParallelPlan()
    schedule: TokenSchedule
    seed: int
    weight_decay: float = Field(default=0.1, ge=0)
    beta2: float = Field(default=0.95, gt=0, lt=1)
    max_grad_norm: float = Field(default=1.0, gt=0)
    spike_factor: float | None = Field(default=None, gt=1)
    """A step whose gradient norm is more than so many times the running mean is skipped; None skips none."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """bf16: products in bf16 over fp32 weights."""
    num_threads: int = Field(default=1, ge=1)
    """torch threads of each process."""
    checkpoint_seconds: float = Field(default=300, gt=0)
    """How often to begin a checkpoint."""
    log_every: int = Field(default=10, ge=1)
    """Steps between two rows of metrics."""

    @model_validator(mode="after")
    def _has_held_out_documents(self) -> Self:
        if self.evaluate_every is not None and not self.holdout_fraction:
            raise ValueError("evaluate_every wants documents that are held out: give holdout_fraction")
        return self
