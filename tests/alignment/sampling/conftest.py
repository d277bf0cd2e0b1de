"""Tiny models and running engines, shared by the tests of sampling: every start of vLLM takes seconds."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from alignment.programs import EngineConfig
from alignment.sampling.engine import PolicyEngine, RewardEngine
from tests.alignment.sampling.factories import (
    make_policy,
    make_reward_model,
    make_tied_policy,
    make_tokenizer,
)

ENGINE = EngineConfig(num_threads=1, kv_cache_gib=0.1)


@dataclass(frozen=True)
class Models:
    """Checkpoint folders."""

    policy: Path
    other: Path
    """The policy's architecture with other weights."""
    tied: Path
    other_tied: Path
    reward_model: Path


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    root = tmp_path_factory.mktemp("models")
    tokenizer = make_tokenizer(root / "tokenizer")
    return Models(
        policy=make_policy(root / "policy", tokenizer, seed=1),
        other=make_policy(root / "other", tokenizer, seed=2),
        tied=make_tied_policy(root / "tied", tokenizer, seed=3),
        other_tied=make_tied_policy(root / "other_tied", tokenizer, seed=4),
        reward_model=make_reward_model(root / "reward", tokenizer, seed=5),
    )


@pytest.fixture(scope="session")
def shared_policy_engine(models: Models) -> Iterator[PolicyEngine]:
    engine = PolicyEngine(models.policy, ENGINE)
    yield engine
    engine.close()


@pytest.fixture
def policy_engine(shared_policy_engine: PolicyEngine, models: Models) -> PolicyEngine:
    """An engine that holds `models.policy`, whatever the test before moved into it."""
    if shared_policy_engine.folder != models.policy:
        shared_policy_engine.swap_weights(models.policy)
    return shared_policy_engine


@pytest.fixture(scope="session")
def reward_engine(models: Models) -> Iterator[RewardEngine]:
    engine = RewardEngine(models.reward_model, ENGINE)
    yield engine
    engine.close()
