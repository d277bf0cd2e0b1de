"""The short form of the chaos benchmark: ten kills with -9, every kind of victim among them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from accord.env import REPOSITORY
from tests.benchmarks.chaos_kills import WEIGHTS

pytestmark = [pytest.mark.vllm, pytest.mark.slow]

NUM_KILLS = 10


def test_a_round_whose_parts_are_killed_ends_with_the_same_weights_and_loses_nothing(tmp_path: Path) -> None:
    dropped = {"DATABASE_URL", "REDIS_URL", "SECRET_KEY", "DJANGO_ALLOW_ASYNC_UNSAFE"}
    environment = {name: value for name, value in os.environ.items() if name not in dropped}
    out = tmp_path / "chaos.json"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.benchmarks.chaos", "--size", "short", "--json", str(out)),
            *("--kills", str(NUM_KILLS), "--minutes", "15", "--keep", str(tmp_path / "var")),
        ],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert out.exists(), done.stderr[-3000:]
    report = json.loads(out.read_text())
    assert done.returncode == 0, json.dumps(report, indent=2) + done.stderr[-3000:]
    assert report["kills"] >= NUM_KILLS
    assert set(report["by_victim"]) == set(WEIGHTS)
    assert report["checkpoints"] > 0
    assert report["judgements"] > 0
