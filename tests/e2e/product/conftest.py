"""The running product: one local stack for all tests of this folder, with a small base in its registry."""

import json
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from deploy.local.stack import local_stack
from tests.e2e.product.stack import RunningStack, write_corpus


@pytest.fixture(scope="session")
def running_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """PostgreSQL, Valkey, web, workers and the reconciler of model servers, as `make serve` starts them."""
    var = tmp_path_factory.mktemp("stack") / "var"
    with pytest.MonkeyPatch.context() as environment:
        # The test run's own servers are not the stack's.
        for name in ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "DJANGO_ALLOW_ASYNC_UNSAFE"):
            environment.delenv(name, raising=False)
        started = ExitStack()
        state = started.enter_context(local_stack(var))
    with started:
        yield RunningStack(state=state, var=var)


@pytest.fixture(scope="session")
def base(running_stack: RunningStack, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a base that `manage.py pretrain` made in seconds, with its sibling `-initial`."""
    folder = tmp_path_factory.mktemp("pretrain")
    recipe = {
        "name": "test",
        "vocabulary_size": 400,
        "model": {"num_layers": 2, "hidden_size": 64},
        "initial": {"num_steps": 60, "num_rows": 8, "sequence_length": 64},
        "long_context": {"num_steps": 2, "num_rows": 4, "sequence_length": 128},
        "annealing": {"num_steps": 8, "num_rows": 4, "sequence_length": 128},
        "learning_rate": 4e-3,
        "warmup_steps": 5,
        "final_fraction": 0.1,
        "num_averaged": 2,
        "holdout_fraction": 0.05,
    }
    (folder / "recipe.json").write_text(json.dumps(recipe))
    corpus = write_corpus(folder / "corpus.jsonl")
    running_stack.manage(
        "pretrain", "--recipe", folder / "recipe.json", "--name", "toy", "--corpus", corpus, "--threads", "1"
    )
    return "toy"
