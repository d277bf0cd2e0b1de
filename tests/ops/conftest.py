"""The servers of these tests: one of each for all of them."""

from collections.abc import Iterator

import pytest

from tests.conftest import FOLDER
from tests.ops.slurm_cluster import SlurmCluster, slurm_cluster


@pytest.fixture(scope="session")
def slurm() -> Iterator[SlurmCluster]:
    """A cluster of two machines."""
    folder = FOLDER / "slurm"
    folder.mkdir()
    with slurm_cluster(folder) as cluster:
        yield cluster
