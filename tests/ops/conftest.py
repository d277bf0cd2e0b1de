"""The servers of these tests: one of each for all of them."""

from collections.abc import Iterator

import pytest
import s3fs

from tests.conftest import FOLDER
from tests.ops.slurm_cluster import SlurmCluster, slurm_cluster
from tests.ops.swift_server import ACCESS_KEY, BUCKET, SECRET_KEY, swift_server


@pytest.fixture(scope="session")
def slurm() -> Iterator[SlurmCluster]:
    """A cluster of two machines."""
    folder = FOLDER / "slurm"
    folder.mkdir()
    with slurm_cluster(folder) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def swift() -> Iterator[str]:
    """The address of an S3 server that has the bucket BUCKET."""
    folder = FOLDER / "swift"
    folder.mkdir()
    with swift_server(folder) as url:
        client = {"endpoint_url": url, "region_name": "us-east-1"}
        files = s3fs.S3FileSystem(
            key=ACCESS_KEY, secret=SECRET_KEY, client_kwargs=client, skip_instance_cache=True
        )
        files.call_s3("create_bucket", Bucket=BUCKET)
        yield url
