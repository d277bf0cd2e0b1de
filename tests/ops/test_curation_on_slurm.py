"""Steps of curation as job arrays of a real Slurm: the bytes of one process, and a job that is not lost."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from pretrain.curation import deduplicate_lines
from pretrain.curation.deduplicate_lines import DeduplicateLinesConfig
from tests.ops.slurm_cluster import SlurmCluster
from tests.pretrain.curation.test_on_executor import start
from tests.pretrain.curation.test_steps import corpus, run_in
from tests.pretrain.curation.texts import shard_bytes, write_shards

pytestmark = pytest.mark.ops

SLURM = {"kind": "slurm", "partition": "main", "time": "00:05:00", "mem_per_cpu_gb": 1}
SECONDS = 300.0


@pytest.fixture
def in_cluster(slurm: SlurmCluster, monkeypatch: pytest.MonkeyPatch) -> SlurmCluster:
    """Slurm's commands find the cluster, and jobs find our code."""
    monkeypatch.setenv("SLURM_CONF", str(slurm.config))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    return slurm


def launched(told: str) -> int:
    """How many jobs a start handed in."""
    return told.count("launched successfully")


def test_every_pass_is_a_job_array_and_a_start_that_was_killed_waits_for_its_job(
    in_cluster: SlurmCluster, tmp_path: Path
) -> None:
    write_shards(tmp_path / "in", corpus(12), 5)
    one = DeduplicateLinesConfig(documents=tmp_path / "in", out=tmp_path / "one")
    expected = run_in(deduplicate_lines, one, tmp_path / "run-one")
    first = start(tmp_path, "deduplicate_lines", executor=SLURM)
    job = tmp_path / "run" / "datatrove" / "read" / "slurm-job"
    deadline = time.monotonic() + SECONDS
    while not job.exists():
        assert first.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    again = start(tmp_path, "deduplicate_lines", executor=SLURM)
    _, told = again.communicate(timeout=SECONDS)
    assert again.returncode == 0, told
    assert launched(told) in (3, 4)  # 4 where the first job had ended before it was looked for
    assert shard_bytes(tmp_path / "out") == shard_bytes(tmp_path / "one")
    assert json.loads((tmp_path / "run" / "result.json").read_text()) == expected


def test_a_cancelled_job_ends_the_run_with_a_sentence(in_cluster: SlurmCluster, tmp_path: Path) -> None:
    write_shards(tmp_path / "in", corpus(12), 3)
    running = start(tmp_path, "sift", executor=SLURM | {"sbatch_args": {"hold": ""}})
    job = tmp_path / "run" / "datatrove" / "write" / "slurm-job"
    deadline = time.monotonic() + SECONDS
    while not job.exists():
        assert running.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    subprocess.run(["scancel", job.read_text()], check=True)
    running.communicate(timeout=SECONDS)
    assert running.returncode == 2
    told = json.loads((tmp_path / "run" / "error.json").read_text())["error"]
    assert "ended without a result" in told
    assert str(tmp_path / "run" / "datatrove" / "write") in told
