"""A gated recipe that a model of 0.1 million weights passes in seconds, and the corpus it reads."""

from pathlib import Path
from typing import Any

from pretrain.config import PretrainConfig
from pretrain.recipe import GateRecipe, ModelRecipe, PretrainRecipe, StageRecipe
from pretrain.run import RunFolder
from tests.pretrain.factories import sentences, write_rows


def gated_recipe(**gates: Any) -> PretrainRecipe:  # Any: GateRecipe's own fields
    """One layer learns to copy what follows "Remember" in a hundred steps, and does so at any length."""
    return PretrainRecipe(
        name="gated",
        vocabulary_size=700,
        model=ModelRecipe(num_layers=1, hidden_size=64),
        initial=StageRecipe(num_steps=150, num_rows=16, sequence_length=32),
        long_context=StageRecipe(num_steps=2, num_rows=2, sequence_length=256),
        annealing=StageRecipe(num_steps=6, num_rows=2, sequence_length=256),
        learning_rate=1e-2,
        warmup_steps=20,
        final_fraction=0.1,
        beta2=0.98,
        weight_decay=0.01,
        num_averaged=3,
        holdout_fraction=0.05,
        gates=GateRecipe.model_validate(
            {"check_every": 2, "max_steps": 6, "recall_fraction": 0.6, "loss_tolerance": 0.05}
            | {"num_depths": 4, "num_trials": 2}
            | gates
        ),
    )


def gated_run(folder: Path, recipe: PretrainRecipe, checkpoint_seconds: float = 60) -> PretrainConfig:
    """A run folder for the recipe, with its corpus beside it."""
    corpus = folder.parent / "sentences.jsonl"
    if not corpus.exists():
        write_rows(corpus, [{"text": sentence} for sentence in sentences(600, seed=1)])
    config = PretrainConfig(
        recipe=recipe,
        corpus=corpus,
        out=folder / "base",
        out_initial=folder / "initial",
        seed=4,
        num_threads=1,
        checkpoint_seconds=checkpoint_seconds,
    )
    RunFolder(folder).write_config(config)
    return config
