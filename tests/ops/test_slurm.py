"""Programs as jobs of a real Slurm: started, cut off by their time limit, cancelled, lost and found again."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
from django.utils import timezone

from alignment.launching import slurm as slurm_launching
from alignment.launching.choosing import launcher_chosen, work_of
from alignment.launching.handles import Handle, handle_path, handle_read, handle_write
from alignment.launching.slurm import SlurmJob
from alignment.models import Program
from alignment.orphan_jobs import orphan_jobs_end
from alignment.program_process import is_alive
from alignment.programs import SftConfig
from alignment.progress import ProgressTail
from alignment.training import sft
from annotation.records import write_records
from pretrain.run import CHECKPOINTS, RunFolder
from tests.alignment.factories import make_program
from tests.alignment.training.factories import make_base, make_optimizer, make_sft_examples, training
from tests.alignment.worker_threads import ended, work
from tests.ops.slurm_cluster import NODES, SlurmCluster, wait_until

pytestmark = [pytest.mark.ops, pytest.mark.django_db(transaction=True)]

State = Program.State

WORKER = """
import sys, django
django.setup()
from django.conf import settings
settings.ACCORD_LAUNCHER = "slurm"
from alignment import running
program = running.program_claim(int(sys.argv[1]), 1)
running.program_run(program)
"""


@pytest.fixture(autouse=True)
def cluster_chosen(slurm: SlurmCluster, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs are handed in to the tests' cluster; Any: pytest-django's."""
    monkeypatch.setenv("SLURM_CONF", str(slurm.config))
    monkeypatch.setattr(slurm_launching, "POLL_SECONDS", 0.3)
    settings.ACCORD_LAUNCHER = "slurm"


def options(settings: Any, folder: Path, text: str) -> None:
    """What the deployment says of its machines; Any: pytest-django's settings."""
    path = folder.with_name(f"{folder.name}.toml")
    path.write_text(text)
    settings.ACCORD_LAUNCHER_OPTIONS = path


def handed_on(program: Program) -> Program:
    """The program as it is handed out again when its worker's lease has run out."""
    Program.objects.filter(pk=program.pk).update(state=State.QUEUED, attempt=2, lease_expires_at=None)
    program.refresh_from_db()
    return program


def started(folder: Path, num: int = 1) -> list[psutil.Process]:
    """The program's processes, once there are `num`."""
    path = folder / "starts.txt"
    wait_until(lambda: path.exists() and len(path.read_text().split()) >= num)
    return [psutil.Process(int(pid)) for pid in path.read_text().split()[-num:]]


def job_number(folder: Path) -> str:
    """The number of the folder's job."""
    present = handle_read(RunFolder(folder))
    assert present is not None
    return present.handle


def killed_worker(program: Program, environment: dict[str, str]) -> list[psutil.Process]:
    """Hand the program in by a worker that is killed once the job runs; the job's processes."""
    environment = {**environment, "SLURM_CONF": os.environ["SLURM_CONF"]}
    worker = subprocess.Popen([sys.executable, "-c", WORKER, str(program.pk)], env=environment)
    processes = started(Path(program.folder))
    wait_until(lambda: Program.objects.exclude(job="").filter(pk=program.pk).exists())
    worker.kill()
    worker.wait()
    return processes


def test_a_program_runs_as_a_job_and_leaves_its_result(tmp_path: Path) -> None:
    program = make_program(tmp_path, "finish")
    program = ended(work(program), program)
    assert (program.state, program.error) == (State.FINISHED, "")
    assert program.result == {"num_tokens": 7}
    assert (program.done, program.total, program.job, program.pid) == (3, 3, "", None)
    assert not handle_path(RunFolder(tmp_path)).exists()


def test_a_refusal_of_the_program_is_shown_in_its_own_words(tmp_path: Path) -> None:
    program = make_program(tmp_path, "refuse")
    program = ended(work(program), program)
    assert program.error == "The data is too small: give more rows."


def test_a_job_that_dies_is_tried_again(tmp_path: Path) -> None:
    program = make_program(tmp_path, "die")
    program = ended(work(program), program)
    assert (program.state, program.num_retries) == (State.PENDING, 1)
    assert "SIGKILL" in program.error


def test_a_training_cut_off_by_its_time_limit_goes_on_and_gives_the_same_bits(
    slurm: SlurmCluster, settings: Any, tmp_path: Path
) -> None:
    options(settings, tmp_path, "[all]\nminutes = 30\nsave_seconds = 120\n")
    base = make_base(tmp_path / "base")
    write_records(tmp_path / "sft.jsonl", make_sft_examples(10))

    def config(folder: Path) -> SftConfig:
        optimizer = make_optimizer(num_epochs=60, batch_size=4)
        return SftConfig(**training(base, tmp_path / "sft.jsonl", folder, optimizer=optimizer))

    whole, cut = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "cut")
    sft.run(config(whole.path), whole)
    program = make_program(cut.path, "finish", values={"module": "tests.ops.paced_sft"})
    cut.write_config(config(cut.path))
    worker = work(program)
    wait_until(handle_path(cut).exists)
    wait_until(lambda: job_number(cut.path))
    number = job_number(cut.path)
    wait_until(lambda: ProgressTail(cut, from_start=True).latest())
    slurm.bring_limit_near(number)
    # Slurm looks at time limits twice a minute.
    wait_until(lambda: slurm.shown(number)["Restarts"] == "1", seconds=110)
    assert list(cut.path.glob(CHECKPOINTS)), "it has saved"
    assert cut.read_result() is None
    slurm.begin_now(number)
    program = ended(worker, program)
    assert (program.state, program.error) == (State.FINISHED, "")
    weights = [(folder.path / "checkpoint" / "model.safetensors").read_bytes() for folder in (whole, cut)]
    assert weights[0] == weights[1]
    assert whole.read_result() == cut.read_result()
    assert "the job is queued again" in (cut.path / "log.txt").read_text()


def test_a_job_that_someone_cancels_leaves_a_sentence(slurm: SlurmCluster, tmp_path: Path) -> None:
    program = make_program(tmp_path, "wait")
    worker = work(program)
    processes = started(tmp_path)
    slurm.ask("scancel", job_number(tmp_path))
    program = ended(worker, program)
    assert program.state == State.FAILED
    assert "was cancelled in Slurm by someone: retry" in program.error
    assert not any(map(is_alive, processes))


def test_a_cancelled_program_takes_its_job_with_it(slurm: SlurmCluster, tmp_path: Path) -> None:
    program = make_program(tmp_path, "wait")
    worker = work(program)
    processes = started(tmp_path)
    number = job_number(tmp_path)
    Program.objects.filter(pk=program.pk).update(state=State.CANCELLED)
    ended(worker, program)
    assert slurm.shown(number)["JobState"] == "CANCELLED"
    assert not any(map(is_alive, processes))
    assert not handle_path(RunFolder(tmp_path)).exists()


def test_the_job_of_a_killed_worker_is_found_again(
    tmp_path: Path, process_environment: dict[str, str]
) -> None:
    program = make_program(tmp_path, "wait")
    processes = killed_worker(program, process_environment)
    assert all(map(is_alive, processes))
    worker = work(handed_on(program))
    (tmp_path / "go").touch()
    program = ended(worker, program)
    assert (program.state, program.result) == (State.FINISHED, {"num_tokens": 7})
    assert len((tmp_path / "starts.txt").read_text().split()) == 1, "it was started once"


def test_a_job_whose_number_nobody_has_written_down_is_found_by_its_name(tmp_path: Path) -> None:
    program = make_program(tmp_path, "wait")
    folder = RunFolder(tmp_path)
    asked = work_of(program, folder, grace=1, silence=1)
    job = launcher_chosen().start(asked)
    present = handle_read(folder)
    assert present is not None
    handle_write(folder, Handle(launcher="slurm", name=present.name))
    found = launcher_chosen().find(asked)
    assert found is not None
    assert found.handle == job.handle
    found.stop()
    assert launcher_chosen().find(asked) is None


def test_a_job_of_a_cancelled_program_without_a_worker_is_ended(
    tmp_path: Path, process_environment: dict[str, str]
) -> None:
    program = make_program(tmp_path, "wait")
    processes = killed_worker(program, process_environment)
    Program.objects.filter(pk=program.pk).update(state=State.CANCELLED, lease_expires_at=None)
    assert orphan_jobs_end() == 1
    assert not any(map(is_alive, processes))
    assert orphan_jobs_end() == 0


def test_a_job_whose_machine_fails_goes_on_on_another(slurm: SlurmCluster, tmp_path: Path) -> None:
    program = make_program(tmp_path, "wait")
    worker = work(program)
    started(tmp_path)
    number = job_number(tmp_path)
    first = slurm.shown(number)["NodeList"]
    slurm.ask("scontrol", "update", f"NodeName={first}", "State=DOWN", "Reason=test")
    try:
        wait_until(lambda: slurm.shown(number)["JobState"] == "PENDING")
        slurm.begin_now(number)
        wait_until(lambda: len((tmp_path / "starts.txt").read_text().split()) == 2)
        assert slurm.shown(number)["NodeList"] == next(name for name in NODES if name != first)
        (tmp_path / "go").touch()
        assert ended(worker, program).state == State.FINISHED
    finally:
        slurm.resume(first)


def test_a_program_of_several_processes_runs_on_several_machines(
    slurm: SlurmCluster, settings: Any, tmp_path: Path
) -> None:
    options(settings, tmp_path, "[training]\nnodes = 2\n")
    program = make_program(tmp_path, "wait", num_processes=2)
    worker = work(program)
    processes = started(tmp_path, 2)
    shown = slurm.shown(job_number(tmp_path))
    (tmp_path / "go").touch()
    program = ended(worker, program)
    assert (program.state, program.error) == (State.FINISHED, "")
    assert (shown["NumNodes"], len(processes)) == ("2", 2)


def test_what_slurm_refuses_is_told_and_nothing_is_left(settings: Any, tmp_path: Path) -> None:
    options(settings, tmp_path, '[dpo]\npartition = "absent"\n')
    program = make_program(tmp_path, "finish")
    program = ended(work(program), program)
    assert program.state == State.FAILED
    assert program.error.startswith("Slurm refused the job (")
    assert "Invalid partition name specified" in program.error
    assert program.error.endswith("mend LAUNCHER_OPTIONS, then retry.")
    assert not handle_path(RunFolder(tmp_path)).exists()


def test_a_controller_that_is_away_is_waited_for(
    slurm: SlurmCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = SlurmJob(RunFolder(tmp_path), "1")
    lost = tmp_path / "slurm.conf"
    words = slurm.config.read_text().splitlines()
    lost.write_text("\n".join("SlurmctldPort=9" if "SlurmctldPort" in line else line for line in words))
    monkeypatch.setenv("SLURM_CONF", str(lost))
    monkeypatch.setattr(slurm_launching, "COMMAND_SECONDS", 2.0)
    program = make_program(tmp_path, "finish")
    began = timezone.now()
    assert job.running
    assert job.waiting
    program = ended(work(program), program)
    assert program.started_at is not None
    assert program.started_at >= began
    # Whether the job was taken nobody can say, so its name is kept for the next try.
    assert program.state == State.PENDING
    assert "cannot be reached" in program.error
    assert json.loads(handle_path(RunFolder(tmp_path)).read_text())["handle"] == ""
