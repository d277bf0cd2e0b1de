"""A round's recipe for tests: everything real, every number small."""

import json
from pathlib import Path

from alignment.programs import OptimizerConfig, SamplingConfig
from alignment.recipe import (
    CollectRecipe,
    DpoVariantRecipe,
    EvaluationRecipe,
    GateRecipe,
    RejectionRecipe,
    RewardVariantRecipe,
    RoundRecipe,
    SftVariantRecipe,
    SnapshotRecipe,
)
from pretrain.recipe import ModelRecipe, PretrainRecipe, StageRecipe


def toy_recipe(*, num_comparisons: int = 0, reward_epochs: int = 1) -> RoundRecipe:
    """A round in a minute or two; its gate asks for nothing."""
    optimizer = OptimizerConfig(learning_rate=1e-3, num_epochs=1, batch_size=16)
    reward_optimizer = optimizer.model_copy(update={"num_epochs": reward_epochs})
    sampling = SamplingConfig(max_tokens=24)
    return RoundRecipe(
        name="toy",
        collect=CollectRecipe(num_comparisons=num_comparisons, sampling=sampling),
        snapshot=SnapshotRecipe(min_judgements=10),
        reward=(
            RewardVariantRecipe(seed=1, optimizer=reward_optimizer),
            RewardVariantRecipe(seed=2, optimizer=reward_optimizer),
        ),
        rejection=RejectionRecipe(num_candidates=10, num_prompts=10, sampling=sampling),
        sft=(SftVariantRecipe(seed=1, optimizer=optimizer), SftVariantRecipe(seed=2, optimizer=optimizer)),
        dpo=(DpoVariantRecipe(seed=1, optimizer=optimizer), DpoVariantRecipe(seed=2, optimizer=optimizer)),
        evaluation=EvaluationRecipe(num_prompts=8, sampling=sampling),
        gate=GateRecipe(min_reward_accuracy=0.0, min_win_rate_over_base=0.0),
        max_row_tokens=128,
    )


def toy_pretraining() -> PretrainRecipe:
    """A base in seconds."""
    return PretrainRecipe(
        name="toy",
        vocabulary_size=400,
        model=ModelRecipe(num_layers=2, hidden_size=64),
        initial=StageRecipe(num_steps=60, num_rows=8, sequence_length=64),
        long_context=StageRecipe(num_steps=2, num_rows=4, sequence_length=128),
        annealing=StageRecipe(num_steps=8, num_rows=4, sequence_length=128),
        learning_rate=4e-3,
        warmup_steps=5,
        final_fraction=0.1,
        num_averaged=2,
        holdout_fraction=0.05,
    )


def write_recipe(path: Path, recipe: RoundRecipe) -> Path:
    """Write the recipe as JSON, for the command line."""
    path.write_text(json.dumps(recipe.model_dump(mode="json")))
    return path
