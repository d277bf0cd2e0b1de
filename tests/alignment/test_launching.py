"""What is handed in to a cluster, and what its words mean: without a cluster (tests/ops has real ones)."""

import json
import os
import subprocess
import time
from pathlib import Path

import pytest

from alignment.launching.handles import handle_forget, handle_read, handle_stopping, handle_write, new_handle
from alignment.launching.interface import LaunchError, Work
from alignment.launching.options import options_for
from alignment.launching.slurm import SlurmJob
from alignment.launching.slurm_script import SlurmOptions, slurm_script
from alignment.launching.slurm_states import JobState, parse_accounted, parse_shown, slurm_failure
from pretrain.run import RunFolder

KINDS = ("reward_model", "sft")


def work(folder: Path, *, kind: str = "sft", num_processes: int = 1) -> Work:
    run_folder = RunFolder(folder)
    run_folder.config_path.write_text(json.dumps({"num_processes": num_processes}))
    return Work(
        folder=run_folder,
        module="alignment.training.sft",
        kind=kind,
        queue="training",
        environment={},
        grace=1,
        silence=1,
    )


def options_of(folder: Path, text: str, *, kind: str = "sft") -> SlurmOptions:
    path = folder / "launcher.toml"
    path.write_text(text)
    return options_for(work(folder / "run", kind=kind), path, SlurmOptions, kinds=KINDS)


def test_options_of_a_stage_come_after_its_queues_and_those_after_all(tmp_path: Path) -> None:
    text = "[all]\ngpus = 1\nminutes = 5\nnodes = 2\n[training]\ngpus = 2\nminutes = 6\n[sft]\ngpus = 4\n"
    options = options_of(tmp_path, text)
    assert (options.gpus, options.minutes, options.nodes) == (4, 6, 2)
    assert options_of(tmp_path, text, kind="reward_model").gpus == 2


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[sfft]\ngpus = 1\n", r"there is no kind of stage \[sfft\]; there are reward_model, sft"),
        ("[sft]\ngpu = 1\n", r"gpu of \[sft\]: Extra inputs are not permitted"),
        ("[sft]\nnodes = 0\n", r"nodes of \[sft\]: Input should be greater than or equal to 1"),
        ('[sft]\npartition = "a; rm -rf b"\n', r"partition of \[sft\]: String should match pattern"),
        ("gpus = 1\n", r"gpus stands outside of any section: put it under \[all\]"),
        ("[sft\n", r"LAUNCHER_OPTIONS, .*launcher.toml: Expected"),
    ],
)
def test_a_wrong_file_of_options_is_refused_with_a_sentence(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(LaunchError, match=told):
        options_of(tmp_path, text)


def test_a_script_asks_for_what_the_options_say_and_is_shell(tmp_path: Path) -> None:
    options = SlurmOptions(
        gpus=8, cpus=16, memory_gib=200, minutes=90, partition="gpu", lines=("--exclusive",)
    )
    text = slurm_script(work(tmp_path / "a run's folder"), options, name="accord-1", repository=tmp_path)
    for line in ("gpus-per-node=8", "cpus-per-task=16", "mem=200G", "time=90", "partition=gpu", "exclusive"):
        assert f"#SBATCH --{line}\n" in text
    assert "#SBATCH --signal=B:USR1@120\n" in text
    assert "account" not in text
    script = tmp_path / "job.sh"
    script.write_text(text)
    subprocess.run(["sh", "-n", str(script)], check=True)


def test_processes_are_shared_out_among_machines_evenly_or_refused(tmp_path: Path) -> None:
    asked = work(tmp_path, num_processes=16)
    text = slurm_script(asked, SlurmOptions(nodes=2), name="accord-1", repository=tmp_path)
    assert "--nnodes 2 --nproc-per-node 8 " in text
    with pytest.raises(LaunchError, match="16 processes cannot be shared out evenly among 3 machines"):
        slurm_script(asked, SlurmOptions(nodes=3), name="accord-1", repository=tmp_path)


def test_the_script_ends_with_the_programs_status_and_asks_it_to_save(tmp_path: Path) -> None:
    """The script itself, run by a shell, with what Slurm offers played by two words."""
    asked = work(tmp_path)
    asked.folder.config_path.write_text('{"behaviour": "wait"}')
    asked = Work(**{**vars(asked), "module": "tests.alignment.stand_in"})
    repository = Path(__file__).parents[2]
    script = tmp_path / "job.sh"
    script.write_text(slurm_script(asked, SlurmOptions(), name="accord-1", repository=repository))
    told = tmp_path / "told.txt"
    (tmp_path / "scontrol").write_text(f'#!/bin/sh\necho "$@" >> {told}\n')
    (tmp_path / "scontrol").chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "SLURM_JOB_ID": "7"}
    for name, is_queued_again in (("USR1", True), ("TERM", False)):
        (tmp_path / "starts.txt").unlink(missing_ok=True)
        with (tmp_path / "said.txt").open("w") as said:
            shell = subprocess.Popen(
                ["sh", str(script)],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        deadline = time.monotonic() + 60
        while not (tmp_path / "starts.txt").exists():
            assert shell.poll() is None, (tmp_path / "said.txt").read_text()
            assert time.monotonic() < deadline, (tmp_path / "said.txt").read_text()
            time.sleep(0.05)
        subprocess.run(["kill", f"-{name}", str(shell.pid)], check=True)
        assert shell.wait(20) == (0 if is_queued_again else 143)
        assert told.exists() == is_queued_again
        told.unlink(missing_ok=True)


def test_what_slurm_prints_is_read() -> None:
    shown = "JobId=7 JobName=a b JobState=FAILED Reason=NonZeroExitCode Restarts=2 ExitCode=1:0 Comment="
    assert parse_shown(shown) == JobState(state="FAILED", exit_code=1, num_restarts=2)
    assert parse_shown("JobState=FAILED ExitCode=137:0").returncode == -9
    assert parse_shown("JobState=FAILED ExitCode=0:9").returncode == -9
    assert parse_accounted("CANCELLED by 1000|0:15\n").state == "CANCELLED"
    assert parse_accounted("").state == "GONE"


@pytest.mark.parametrize(
    ("state", "told", "may_pass"),
    [
        ("CANCELLED", "was cancelled in Slurm by someone", False),
        ("TIMEOUT", "ran into its time limit before the program had saved", True),
        ("PREEMPTED", "had to make way for one of higher priority", True),
        ("NODE_FAIL", "lost its machine", True),
        ("OUT_OF_MEMORY", "raise memory_gib in LAUNCHER_OPTIONS", False),
        ("GONE", "Slurm knows nothing of the job 7 any more", True),
        ("REVOKED", "ended as REVOKED with no result", True),
    ],
)
def test_each_end_has_a_sentence(tmp_path: Path, state: str, told: str, may_pass: bool) -> None:
    failure = slurm_failure(RunFolder(tmp_path), "7", JobState(state=state))
    assert failure is not None
    assert told in failure.sentence
    assert failure.may_pass == may_pass


def test_a_result_counts_whatever_slurm_says_of_the_job(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.finish({})
    assert slurm_failure(folder, "7", JobState(state="NODE_FAIL")) is None


def test_a_job_that_is_cut_off_again_and_again_at_the_same_place_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RunFolder(tmp_path)
    restarts = iter([0, 1, 2, 3])
    monkeypatch.setattr("alignment.launching.slurm.POLL_SECONDS", 0.0)
    monkeypatch.setattr("alignment.launching.slurm.job_end", lambda number: None)
    monkeypatch.setattr(
        "alignment.launching.slurm.job_state",
        lambda number: JobState(state="RUNNING", num_restarts=next(restarts)),
    )
    job = SlurmJob(folder, "7")
    folder.progress(5, 9, "steps")
    assert [job.running for _ in range(4)] == [True, True, True, False]
    failure = job.failure()
    assert failure is not None
    assert "was started 3 times and got no further" in failure.sentence
    assert not failure.may_pass


def test_a_handle_is_written_before_and_after_and_forgotten(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    assert handle_read(folder) is None
    handle_stopping(folder)
    assert handle_read(folder) is None
    first, second = new_handle("slurm"), new_handle("slurm")
    assert first.name != second.name
    handle_write(folder, first)
    handle_stopping(folder)
    present = handle_read(folder)
    assert present is not None
    assert present.is_stopping
    handle_forget(folder)
    assert handle_read(folder) is None
