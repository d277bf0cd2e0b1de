"""`--fail-on-missing-parts` fails a run whose tests of vLLM, the browser or the database did not run."""

import subprocess
import sys
from pathlib import Path

import pytest

from accord.env import REPOSITORY

TESTS = """
import pytest

@pytest.mark.browser
def test_browser():
    pass

@pytest.mark.vllm
@pytest.mark.skip(reason="there is no vLLM")
def test_vllm():
    pass
"""


@pytest.mark.parametrize("processes", ["0", "2"])
def test_a_part_that_was_left_out_fails_the_run(processes: str, tmp_path: Path) -> None:
    (tmp_path / "test_parts.py").write_text(TESTS)
    run = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", "-p", "no:cacheprovider"),
            *("-c", REPOSITORY / "pyproject.toml", "--rootdir", tmp_path, tmp_path),
            *("--fail-on-missing-parts", "-n", processes),
        ],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1, run.stdout + run.stderr
    assert "test_vllm was skipped" in run.stdout
    assert "no test of the database ran" in run.stdout
    assert "no test of the browser ran" not in run.stdout
