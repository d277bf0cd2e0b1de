"""`make demo` in its quick size: everything from nothing to the table, too small to gain anything."""

import json
import subprocess
from pathlib import Path

import pytest

from accord.env import REPOSITORY

pytestmark = [pytest.mark.vllm, pytest.mark.slow]


def test_the_demo_ends_with_a_table_and_the_same_as_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "DJANGO_ALLOW_ASYNC_UNSAFE"):
        monkeypatch.delenv(name, raising=False)
    out = tmp_path / "out.json"
    options = f"--no-serve --quick --rounds 1 --var {tmp_path / 'var'} --json {out}"
    done = subprocess.run(
        ["make", "demo", f"DEMO_ARGS={options}"], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    report = json.loads(out.read_text())
    assert set(report) >= {"seed", "seconds", "rounds"}
    (round_,) = report["rounds"]
    assert round_["judgements"] >= 150
    assert set(round_["win_rate"]) == {"over_previous", "over_base"}
    assert {"low", "high", "overall", "by_strength"} <= set(round_["reward_accuracy"])
    assert round_["stages"]["dpo"] > 0
    assert "Seed 0" in done.stdout
