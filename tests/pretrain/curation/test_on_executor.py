"""Steps of curation on datatrove's executors: the same bytes as in one process, killed or not."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from pretrain.curation import (
    deduplicate_documents,
    deduplicate_lines,
    deduplicate_urls,
    run_on_executor,
)
from pretrain.curation.deduplicate_documents import DeduplicateDocumentsConfig
from pretrain.curation.deduplicate_lines import DeduplicateLinesConfig
from pretrain.curation.deduplicate_urls import DeduplicateUrlsConfig
from pretrain.curation.run_on_executor import RunOnExecutorConfig
from pretrain.curation.steps import StepConfig
from pretrain.failures import ProgramError
from pretrain.run import RunFolder
from tests.pretrain.curation.test_steps import corpus, run_in
from tests.pretrain.curation.texts import shard_bytes, write_shards

LOCAL = {"kind": "local", "workers": 2}


def start(folder: Path, step: str, **fields: Any) -> "subprocess.Popen[str]":
    """Start the program on the documents of a folder."""
    told = {"documents": str(folder / "in"), "out": str(folder / "out")} | fields.pop("config", {})
    config = {"step": step, "config": told, "num_tasks": 3, "executor": LOCAL} | fields
    RunFolder(folder / "run").write_config(RunOnExecutorConfig.model_validate(config))
    command = [sys.executable, "-m", "pretrain.curation.run_on_executor", str(folder / "run" / "run.json")]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize(
    ("step", "program", "config_type", "passes"),
    [
        ("deduplicate_urls", deduplicate_urls, DeduplicateUrlsConfig, "read choose write"),
        ("deduplicate_documents", deduplicate_documents, DeduplicateDocumentsConfig, "read choose write"),
        ("deduplicate_lines", deduplicate_lines, DeduplicateLinesConfig, "read count choose write"),
    ],
)
def test_every_pass_is_shared_and_the_bytes_are_those_of_one_process(
    step: str,
    program: Any,  # Any: a module
    config_type: type[StepConfig],
    passes: str,
    tmp_path: Path,
) -> None:
    write_shards(tmp_path / "in", corpus(12), 5)
    one = config_type(documents=tmp_path / "in", out=tmp_path / "one")
    expected = run_in(program, one, tmp_path / "run-one")
    running = start(tmp_path, step)
    _, told = running.communicate()
    assert running.returncode == 0, told
    assert shard_bytes(tmp_path / "out") == shard_bytes(tmp_path / "one")
    assert json.loads((tmp_path / "run" / "result.json").read_text()) == expected
    tasks = tmp_path / "run" / "tasks"
    assert {path.name for path in tasks.iterdir()} == set(passes.split())
    read = [json.loads(path.read_text())["num_shards"] for path in sorted(tasks.glob("read/*/result.json"))]
    assert read == [2, 2, 1]


def test_a_killed_run_leaves_no_process_and_goes_on(tmp_path: Path) -> None:
    write_shards(tmp_path / "in", corpus(240), 24)
    running = start(tmp_path, "sift")
    reports = tmp_path / "out" / "reports"
    while running.poll() is None and len(list(reports.glob("*.json"))) < 3:
        time.sleep(0.005)
    children = psutil.Process(running.pid).children(recursive=True)
    os.kill(running.pid, signal.SIGKILL)
    running.communicate()
    assert children
    _, alive = psutil.wait_procs(children, timeout=30)
    assert not alive
    done = {path: path.stat().st_mtime_ns for path in reports.glob("*.json")}
    assert 3 <= len(done) < 24
    again = start(tmp_path, "sift")
    _, told = again.communicate()
    assert again.returncode == 0, told
    assert {path: path.stat().st_mtime_ns for path in done} == done
    assert json.loads((tmp_path / "run" / "result.json").read_text())["num_documents"] == 480
    assert not list((tmp_path / "out").glob(".*"))


def test_a_task_that_fails_tells_its_sentence_and_the_next_start_mends_it(tmp_path: Path) -> None:
    write_shards(tmp_path / "in", corpus(12), 4)
    whole = (tmp_path / "in" / "02.jsonl.zst").read_bytes()
    (tmp_path / "in" / "02.jsonl.zst").write_bytes(whole[: len(whole) // 2])
    running = start(tmp_path, "sift")
    running.communicate()
    assert running.returncode == 2
    assert "02.jsonl.zst is damaged" in json.loads((tmp_path / "run" / "error.json").read_text())["error"]
    (tmp_path / "in" / "02.jsonl.zst").write_bytes(whole)
    again = start(tmp_path, "sift")
    _, told = again.communicate()
    assert again.returncode == 0, told
    assert json.loads((tmp_path / "run" / "result.json").read_text())["num_documents"] == 24


def test_what_the_step_would_refuse_is_refused_before_anything_runs(tmp_path: Path) -> None:
    def run(**fields: Any) -> None:
        told = {"step": "sift", "config": {}, "num_tasks": 2, "executor": LOCAL} | fields
        run_on_executor.run(RunOnExecutorConfig.model_validate(told), RunFolder(tmp_path / "run"))

    folders = {"documents": "in", "out": "out"}
    with pytest.raises(ProgramError, match=r"config\.documents: Field required"):
        run()
    with pytest.raises(ProgramError, match="config has task, which this program sets itself"):
        run(config=folders | {"task": 0})
    if shutil.which("sbatch") is None:
        slurm = {"kind": "slurm", "partition": "cpu", "time": "01:00:00"}
        with pytest.raises(ProgramError, match="There is no sbatch here"):
            run(config=folders, executor=slurm)
