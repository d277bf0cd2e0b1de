"""Fixtures of upkeep: the site's var folder, and machines to restore onto."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from tests.upkeep.machines import Machines, machines_started


@pytest.fixture
def var(settings: Settings, tmp_path: Path) -> Path:
    """A var folder of the test's own, with keys."""
    folder = tmp_path / "old" / "var"
    (folder / "runs").mkdir(parents=True)
    (folder / "secret_key").write_text("the key\n")
    settings.ACCORD_VAR = folder
    settings.ACCORD_RUNS = folder / "runs"
    settings.ACCORD_CHECKPOINTS = folder / "checkpoints"
    return folder


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    """Machines to restore onto."""
    with machines_started(tmp_path_factory.mktemp("machines")) as started:
        yield started
