"""The configuration of `python -m pretrain.train run.json`. Pure: written by the web side, too."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from pretrain.mix import Mix
from pretrain.recipe import PretrainRecipe
from pretrain.run import ProgramConfig


class PretrainConfig(ProgramConfig):
    """`python -m pretrain.train`: a corpus to a base model, through all stages of a recipe.

    Beside its outputs the program leaves `tokenizer/` and `refused.jsonl` (rows of the corpus that were
    left out) in the run folder. Result: {"num_parameters", "vocabulary_size", "num_steps", "num_tokens",
    "flops", "seconds", "loss", "holdout_loss", "holdout_loss_before_annealing", "characters_per_token",
    "corpus": {"files", "documents", "holdout_documents", "refused", "tokens"},
    "ledger": [{"source", "tokens", "epochs"}]}. Losses are nats per token; the ledger is a mix's.
    Each model's folder has `data.json`: files by hash, tokenizer, mix and ledger (`pretrain.manifest`).
    """

    recipe: PretrainRecipe
    corpus: Path
    """A file or a folder of .jsonl and .txt files, gzip or not; or the shards of a step of curation."""
    tokenizer: Path | None = None
    """A tokenizer's folder, as `python -m pretrain.make_tokenizer` leaves it. None: learned here."""
    mix: Mix | Literal["by_size"] | None = None
    """How much of each source is drawn when; "by_size": as much as there is of it. None: windows at random
    places of the whole corpus. It may be changed in the run folder of a training that was stopped, from a
    token on that was not drawn yet."""
    out: Path
    """The finished model: the mean of the checkpoints taken during annealing."""
    out_initial: Path | None = None
    """The model before annealing, a second one for the first round to compare with."""
    seed: int
    num_threads: int = Field(default=2, ge=1)
    """torch threads of this process."""
    checkpoint_seconds: float = Field(default=60, gt=0)
    """How often to checkpoint for resuming."""
    log_every: int = Field(default=10, ge=1)
    """Steps between two rows of metrics."""
    evaluate_every: int | None = Field(default=None, ge=1)
    """Steps between two looks at the loss of held-out documents in rows of the initial stage's length
    (`evaluation_loss`); None: at gates and at the end only."""
    max_tokens_per_microbatch: int = Field(default=8192, ge=16)
    """Tokens in one forward pass; a row is never split."""
