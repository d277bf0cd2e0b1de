"""The running product: one local stack for all tests of this folder."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser

from deploy.local.stack import local_stack
from tests.benchmarks.chaos import MANY, STACK_ENVIRONMENT
from tests.benchmarks.chaos_traces import processes_of, temporary_files
from tests.e2e.browser import chromium
from tests.e2e.product.stack import RunningStack, write_inputs
from tests.webhooks.receiver import receiver


@pytest.fixture(scope="session")
def running_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """PostgreSQL, Valkey, web, workers and the reconciler of model servers, as `make serve` starts them.

    It must leave nothing behind: no process, no file that somebody began and nobody finished.
    """
    var, inputs = tmp_path_factory.mktemp("stack") / "var", tmp_path_factory.mktemp("inputs")
    write_inputs(inputs)
    with pytest.MonkeyPatch.context() as environment, receiver() as hook:
        # The test run's own servers are not the stack's.
        for name in ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "DJANGO_ALLOW_ASYNC_UNSAFE"):
            environment.delenv(name, raising=False)
        told = {**STACK_ENVIRONMENT, "WEBHOOK_PORTS": str(hook.port)}
        started = ExitStack()
        state = started.enter_context(local_stack(var, most_restarts=MANY, environment=told))
        environment.undo()
        with started:
            yield RunningStack(state=state, var=var, environment=told, hook=hook, inputs=inputs)
    assert not processes_of(var)
    assert not temporary_files(var)


@pytest.fixture
def own_browser() -> Iterator[Browser]:
    """Chromium for one test, and with it the event loop that Playwright runs in this thread."""
    with chromium() as opened:
        yield opened
