"""`python -m pretrain.mix_experiments run.json`: small models of candidate mixes predict a larger one.

Comes in: a corpus of several sources, a small recipe and a larger one. Goes out: a law of loss over weights
(`pretrain.mix_law`) with its error on runs left out, at both sizes, and the mix of the lowest predicted loss.
Every model is a training of its own in `runs/`: killed and started again, the program goes on within the one
that was training.
"""

from pathlib import Path
from typing import Any, Self

import numpy as np
from pydantic import Field, model_validator

from pretrain.config import PretrainConfig
from pretrain.corpus import read_corpus, split_documents
from pretrain.make_tokenizer import make_tokenizer
from pretrain.mix import Mix, MixPhase
from pretrain.mix_law import MixLaw, candidate_weights, larger_held_out, law_held_out, line
from pretrain.recipe import PretrainRecipe
from pretrain.run import ProgramConfig, ProgramError, RunFolder, program_main
from pretrain.train import run as train

NUM_SEARCHED = 20_000
"""Mixes whose loss is predicted to find the lowest."""


class MixExperimentsConfig(ProgramConfig):
    """Result: {"sources", "runs": [{"size", "weights", "holdout_loss"}], "law": {"floor", "log_scale",
    "exponents"}, "held_out": {"small": …, "larger": …} with {"mean_error", "mean_error_of_mean",
    "rank_correlation"}, "best": {"weights", "predicted_small", "predicted_larger"}}; losses are nats per
    token of the held-out documents of all sources."""

    corpus: Path
    """As for `pretrain.train`, with two sources or more."""
    small: PretrainRecipe
    larger: PretrainRecipe
    num_small: int = Field(ge=4)
    """Mixes that a small model is trained on."""
    num_larger: int = Field(ge=3)
    """The first of them, that a larger one is trained on, too."""
    least_weight: float = Field(default=0.02, ge=0, lt=0.5)
    """Of each source in every mix."""
    seed: int
    num_threads: int = Field(default=2, ge=1)
    max_tokens_per_microbatch: int = Field(default=8192, ge=16)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.num_larger > self.num_small:
            raise ValueError(f"num_larger {self.num_larger} is more than num_small {self.num_small}")
        same = ("vocabulary_size", "holdout_fraction")
        if any(getattr(self.small, name) != getattr(self.larger, name) for name in same):
            raise ValueError(f"small and larger must have the same {' and '.join(same)}")
        return self


def run(config: MixExperimentsConfig, folder: RunFolder) -> None:
    """Train every model, fit, tell."""
    documents = read_corpus(config.corpus).documents
    training, _ = split_documents(documents, config.small.holdout_fraction, config.seed)
    sources = sorted({document.source for document in training})
    if not 2 <= len(sources) < config.num_small:
        raise ProgramError(
            f"The corpus has {len(sources)} sources ({', '.join(sources[:9])}): give folders or files of two "
            f"or more, and num_small at least {len(sources) + 1} mixes."
        )
    tokenizer = folder.path / "tokenizer"
    make_tokenizer(training, config.larger, tokenizer)
    weights_MS = candidate_weights(config.num_small, sources, config.seed, config.least_weight)
    sizes = {"small": (config.small, config.num_small), "larger": (config.larger, config.num_larger)}
    total, done = config.num_small + config.num_larger, 0
    rows: list[dict[str, Any]] = []  # Any: JSON
    for size, (recipe, num) in sizes.items():
        for place in range(num):
            folder.progress(done, total, "models")
            weights = dict(zip(sources, weights_MS[place].tolist(), strict=True))
            loss = trained_loss(
                config, folder.path / "runs" / f"{size}-{place:03}", recipe, weights, tokenizer
            )
            rows.append({"size": size, "weights": weights, "holdout_loss": loss})
            done += 1
            folder.metrics(done, size=size, holdout_loss=loss)
    folder.progress(total, total, "models")
    losses = {size: np.array([row["holdout_loss"] for row in rows if row["size"] == size]) for size in sizes}
    law = MixLaw.fit(weights_MS, losses["small"])
    larger_MS = weights_MS[: config.num_larger]
    searched_MS = candidate_weights(NUM_SEARCHED, sources, config.seed + 1, config.least_weight)
    predicted = law.predict(searched_MS)
    lowest = int(predicted.argmin())
    to_larger = line(law.predict(larger_MS), losses["larger"])
    folder.finish(
        {
            "sources": sources,
            "runs": rows,
            "law": {
                "floor": law.floor,
                "log_scale": law.log_scale,
                "exponents": dict(zip(sources, law.exponents_S.tolist(), strict=True)),
            },
            "held_out": {
                "small": vars(law_held_out(weights_MS, losses["small"])),
                "larger": vars(larger_held_out(law, larger_MS, losses["larger"])),
            },
            "best": {
                "weights": dict(zip(sources, searched_MS[lowest].tolist(), strict=True)),
                "predicted_small": float(predicted[lowest]),
                "predicted_larger": float(np.polyval(to_larger, predicted[lowest])),
            },
        }
    )


def trained_loss(
    config: MixExperimentsConfig,
    path: Path,
    recipe: PretrainRecipe,
    weights: dict[str, float],
    tokenizer: Path,
) -> float:
    """The loss on held-out documents of one model, trained where that is not done."""
    own = RunFolder(path)
    told = PretrainConfig(
        recipe=recipe,
        corpus=config.corpus,
        tokenizer=tokenizer,
        mix=Mix(phases=(MixPhase(from_tokens=0, weights=weights),), block_tokens=recipe.max_length),
        out=path / "model",
        seed=config.seed,
        num_threads=config.num_threads,
        max_tokens_per_microbatch=config.max_tokens_per_microbatch,
    )
    before = own.config_path.read_text(encoding="utf-8") if own.config_path.exists() else None
    if own.read_result() is None or before != told.model_dump_json(indent=2):
        own.write_config(told)
        train(told, own)
    result = own.read_result()
    assert result is not None, path
    return float(result["holdout_loss"])


if __name__ == "__main__":
    program_main(MixExperimentsConfig, run)
