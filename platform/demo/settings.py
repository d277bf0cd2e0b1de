"""The demo's numbers: how large the world is, how its base is trained, and the recipe of each round.

Pure. Everything that decides how long the demo takes and what it shows is on this page.
"""

import hashlib
from dataclasses import dataclass

from alignment.data_gate.recipe import DataGateRecipe
from alignment.programs import EngineConfig, OptimizerConfig, SamplingConfig
from alignment.quality.recipe import OverlapRecipe, QualityRecipe
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

MAX_TOKENS = 48
"""Longer than any answer of the world."""


@dataclass(frozen=True, kw_only=True)
class DemoSettings:
    """One size of the demo."""

    num_names: int
    num_documents: int
    num_dialogs: int
    num_annotators: int
    pretrain: PretrainRecipe
    rounds: tuple[RoundRecipe, ...]
    """The recipe of each round; the last one serves all further rounds."""

    def recipe(self, number: int) -> RoundRecipe:
        """The recipe of round `number`, from 1."""
        return self.rounds[min(number, len(self.rounds)) - 1]

    def fingerprint(self) -> str:
        """Names what decides the base, so that a second demo finds the first one's."""
        decides = (
            f"{self.num_names} {self.num_documents} {self.num_dialogs} {self.pretrain.model_dump_json()}"
        )
        return hashlib.sha256(decides.encode()).hexdigest()[:8]


def demo_settings() -> DemoSettings:
    """What `make demo` runs: a base and two rounds."""
    return DemoSettings(
        num_names=24,
        num_documents=4000,
        num_dialogs=12000,
        num_annotators=8,
        pretrain=PretrainRecipe(
            name="small-world",
            vocabulary_size=1024,
            model=ModelRecipe(num_layers=2, hidden_size=128),
            initial=StageRecipe(num_steps=1800, num_rows=8, sequence_length=128),
            long_context=StageRecipe(num_steps=50, num_rows=4, sequence_length=256),
            annealing=StageRecipe(num_steps=150, num_rows=4, sequence_length=256),
            learning_rate=4e-3,
            warmup_steps=50,
            final_fraction=0.1,
            weight_decay=0.01,
            beta2=0.98,
        ),
        rounds=(_round(num_comparisons=1000), _round(num_comparisons=2000)),
    )


def quick_settings() -> DemoSettings:
    """What `make demo DEMO_ARGS=--quick` runs: everything, too small to gain anything."""
    full = demo_settings()
    pretrain = full.pretrain.model_copy(
        update={
            "model": ModelRecipe(num_layers=2, hidden_size=64),
            "initial": StageRecipe(num_steps=60, num_rows=8, sequence_length=64),
            "long_context": StageRecipe(num_steps=4, num_rows=4, sequence_length=128),
            "annealing": StageRecipe(num_steps=10, num_rows=4, sequence_length=128),
            "warmup_steps": 5,
            "num_averaged": 2,
        }
    )
    recipe = full.rounds[0].model_copy(
        update={
            "name": "small-world-quick",
            "collect": CollectRecipe(num_comparisons=150, sampling=SamplingConfig(max_tokens=16)),
            "snapshot": SnapshotRecipe(min_judgements=10),
            # Of 150 judgements a seventh trains: whether each domain has one of them is chance.
            "data_gate": DataGateRecipe(min_domain_coverage=None),
            "rejection": RejectionRecipe(
                num_candidates=10, num_prompts=20, sampling=SamplingConfig(max_tokens=16)
            ),
            "evaluation": EvaluationRecipe(num_prompts=20, sampling=SamplingConfig(max_tokens=16)),
            "gate": full.rounds[0].gate.model_copy(
                update={"min_reward_accuracy": 0.0, "min_win_rate_over_base": 0.0}
            ),
        }
    )
    return DemoSettings(
        num_names=full.num_names,
        num_documents=200,
        num_dialogs=400,
        num_annotators=6,
        pretrain=pretrain,
        rounds=(recipe,),
    )


def _round(*, num_comparisons: int) -> RoundRecipe:
    """A round that waits for `num_comparisons` judgements."""
    reward = OptimizerConfig(learning_rate=1e-3, num_epochs=3, batch_size=32)
    sft = OptimizerConfig(learning_rate=5e-4, num_epochs=2, batch_size=64)
    dpo = OptimizerConfig(learning_rate=2e-4, num_epochs=2, batch_size=64)
    sampling = SamplingConfig(max_tokens=MAX_TOKENS)
    return RoundRecipe(
        name="small-world",
        collect=CollectRecipe(num_comparisons=num_comparisons, sampling=sampling),
        snapshot=SnapshotRecipe(min_judgements=50, holdout_fraction=0.15),
        reward=(RewardVariantRecipe(seed=1, optimizer=reward), RewardVariantRecipe(seed=2, optimizer=reward)),
        rejection=RejectionRecipe(num_candidates=10, num_prompts=800, sampling=sampling),
        # All questions of the world are alike and so are its right answers: only equal prompts count as
        # one, and no phrase is too frequent.
        quality=QualityRecipe(overlap=OverlapRecipe(max_similarity=None), phrases=(), top_reward_share=1.0),
        sft=(SftVariantRecipe(seed=1, optimizer=sft), SftVariantRecipe(seed=2, optimizer=sft)),
        dpo=(
            DpoVariantRecipe(seed=1, optimizer=dpo, newest_rounds=2),
            DpoVariantRecipe(seed=2, optimizer=dpo, newest_rounds=2),
        ),
        evaluation=EvaluationRecipe(num_prompts=600, samples_per_prompt=2, sampling=sampling),
        # Some 150 held-out pairs, half of them near ties, tell an accuracy to within 0.08 only.
        gate=GateRecipe(min_reward_accuracy=0.45),
        max_row_tokens=256,
        engine=EngineConfig(num_threads=2, kv_cache_gib=0.5),
    )
