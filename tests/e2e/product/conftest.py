"""The running product: one local stack for all tests of this folder."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from deploy.local.stack import local_stack
from tests.e2e.product.stack import RunningStack


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
