"""What a program uses, measured on a real process with a child."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from alignment import usage
from alignment.usage import USAGE_FILE, UsageMeter
from pretrain.run import RunFolder

BUSY = """
import subprocess, sys
subprocess.run([sys.executable, "-c", "x = bytearray(80_000_000)\\nwhile True: pass"])
"""


def test_cpu_and_memory_of_a_program_and_its_children_are_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage, "EVERY_SECONDS", 0.3)
    process = subprocess.Popen([sys.executable, "-c", BUSY], start_new_session=True)
    try:
        meter = UsageMeter(RunFolder(tmp_path), process.pid)
        deadline = time.monotonic() + 20
        rows: list[dict[str, float]] = []
        while time.monotonic() < deadline and not any(row["cpu"] > 0.1 for row in rows[1:]):
            meter.measure()
            time.sleep(0.05)
            path = tmp_path / USAGE_FILE
            rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert rows[-1]["cpu"] > 0.1
    assert rows[-1]["memory"] > 80_000_000
    meter.measure()  # it has ended: nothing to say, and no error
