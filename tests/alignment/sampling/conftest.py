"""Tiny models, shared by the tests of sampling."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from alignment.programs import EngineConfig
from tests.alignment.sampling.factories import make_tokenizer
from tests.alignment.sampling.fake_judge import FakeJudge, judge_on_loopback
from tests.alignment.sampling.model_factories import make_policy, make_reward_model, make_tied_policy

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


@pytest.fixture
def fake_judge() -> Iterator[FakeJudge]:
    """A judge that answers over real HTTP."""
    with judge_on_loopback() as judge:
        yield judge
