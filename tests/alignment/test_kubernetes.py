"""Programs as Kubernetes Jobs, against a server that plays the API and holds all to its schemas."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import psutil
import pytest
import yaml

from alignment.launching import kubernetes
from alignment.launching.choosing import launcher_chosen, work_of
from alignment.launching.handles import Handle, handle_path, handle_read, handle_write
from alignment.launching.interface import LaunchError, Work
from alignment.launching.kubernetes_manifest import KubernetesOptions, job_manifest, service_manifest
from alignment.launching.kubernetes_states import JobView, job_view, kubernetes_failure
from alignment.models import Program
from alignment.orphan_jobs import orphan_jobs_end
from alignment.program_process import is_alive
from pretrain.run import RunFolder
from tests.alignment.factories import make_program
from tests.alignment.kubernetes_server import VERSION, Cluster, kubernetes_server
from tests.alignment.worker_threads import ended, wait_until, work

pytestmark = pytest.mark.django_db(transaction=True)

State = Program.State

WORKER = """
import sys, django
django.setup()
from django.conf import settings
from pathlib import Path
settings.ACCORD_LAUNCHER = "kubernetes"
settings.ACCORD_LAUNCHER_OPTIONS = Path(sys.argv[2])
from alignment import running
program = running.program_claim(int(sys.argv[1]), 1)
running.program_run(program)
"""


@pytest.fixture(autouse=True)
def cluster(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """Programs go to a cluster of this test's own; Any: pytest-django's."""
    monkeypatch.setattr(kubernetes, "POLL_SECONDS", 0.1)
    with kubernetes_server(tmp_path / "cluster") as (cluster, text):
        path = tmp_path / "launcher.toml"
        path.write_text(text)
        settings.ACCORD_LAUNCHER = "kubernetes"
        settings.ACCORD_LAUNCHER_OPTIONS = path
        yield cluster


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    return tmp_path / "run"


def started(folder: Path) -> psutil.Process:
    """The program's process, once there is one."""
    path = folder / "starts.txt"
    wait_until(lambda: path.exists() and path.read_text().endswith("\n"))
    return psutil.Process(int(path.read_text().split()[-1]))


def asked(folder: Path, *, num_processes: int = 1) -> Work:
    run_folder = RunFolder(folder)
    run_folder.config_path.write_text(json.dumps({"num_processes": num_processes}))
    return Work(
        folder=run_folder,
        module="alignment.training.sft",
        kind="reward_model",
        queue="training",
        environment={"OMP_NUM_THREADS": "3", "SECRET_KEY": "never"},
        grace=1,
        silence=1,
    )


def test_manifests_are_what_the_api_takes_and_hold_no_secret(run_folder: Path) -> None:
    options = KubernetesOptions(
        image="registry.example/accord:1",
        claim="runs",
        gpus=8,
        cpus=16,
        memory_gib=200,
        minutes=90,
        nodes=2,
        node_selector={"gpu": "h100"},
        service_account="accord",
    )
    work = asked(run_folder, num_processes=16)
    job = job_manifest(work, options, name="accord-1", mount="/var/accord")
    service = service_manifest(work, name="accord-1", uid="7")
    for manifest in (job, service):
        kubernetes_validate.validate(manifest, VERSION, strict=True)
    spec = job["spec"]
    pod = spec["template"]["spec"]
    container = pod["containers"][0]
    assert (spec["activeDeadlineSeconds"], spec["completions"], pod["subdomain"]) == (5400, 2, "accord-1")
    assert container["resources"]["limits"] == {"cpu": "16", "memory": "200Gi", "nvidia.com/gpu": "8"}
    assert pod["securityContext"]["runAsNonRoot"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert not container["securityContext"]["allowPrivilegeEscalation"]
    assert {"name": "runs", "mountPath": "/var/accord"} in container["volumeMounts"]
    assert "--nnodes" in container["args"]
    assert "never" not in json.dumps(job)


def test_a_program_runs_as_a_job_and_leaves_its_result(cluster: Cluster, run_folder: Path) -> None:
    program = make_program(run_folder, "finish")
    program = ended(work(program), program)
    assert (program.state, program.error) == (State.FINISHED, "")
    assert (program.result, program.done, program.job) == ({"num_tokens": 7}, 3, "")
    assert not handle_path(RunFolder(run_folder)).exists()
    wait_until(lambda: not cluster.jobs)
    shown = list(yaml.safe_load_all((run_folder / "job.yaml").read_text()))
    assert shown[0]["kind"] == "Job"


def test_several_machines_are_as_many_pods_that_meet_by_a_service(
    cluster: Cluster, run_folder: Path, settings: Any
) -> None:
    path = settings.ACCORD_LAUNCHER_OPTIONS
    path.write_text(f"{path.read_text()}[training]\nnodes = 2\n")
    program = make_program(run_folder, "finish", num_processes=2)
    asked = work_of(program, RunFolder(run_folder), grace=1, silence=1)
    job = launcher_chosen().start(asked)
    (service,) = cluster.services.values()
    (made,) = cluster.jobs.values()
    assert service["metadata"]["ownerReferences"][0]["uid"] == made["metadata"]["uid"]
    labels = made["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()
    assert len(cluster.processes[made["metadata"]["name"]]) == 2
    job.stop()
    assert not cluster.jobs
    assert not cluster.services


def test_a_job_whose_service_is_refused_does_not_stay_and_one_that_lacks_it_gets_it(
    cluster: Cluster, run_folder: Path, settings: Any
) -> None:
    path = settings.ACCORD_LAUNCHER_OPTIONS
    path.write_text(f"{path.read_text()}[training]\nnodes = 2\n")
    program = make_program(run_folder, "finish", num_processes=2)
    asked = work_of(program, RunFolder(run_folder), grace=1, silence=1)
    cluster.service_answer = 403
    with pytest.raises(LaunchError, match=r"refused it \(no service now\): let the service account"):
        launcher_chosen().start(asked)
    wait_until(lambda: not cluster.jobs)
    assert not handle_path(RunFolder(run_folder)).exists()
    cluster.service_answer = 503
    with pytest.raises(LaunchError, match="cannot be reached"):
        launcher_chosen().start(asked)
    assert len(cluster.jobs) == 1
    cluster.service_answer = None
    job = launcher_chosen().find(asked)
    assert job is not None
    assert list(cluster.services) == list(cluster.jobs)
    job.stop()


def test_what_a_program_says_is_shown_and_a_kill_is_tried_again(cluster: Cluster, run_folder: Path) -> None:
    program = make_program(run_folder, "refuse")
    assert ended(work(program), program).error == "The data is too small: give more rows."
    again = make_program(run_folder.with_name("again"), "die")
    again = ended(work(again), again)
    assert (again.state, again.num_retries) == (State.PENDING, 1)
    assert "SIGKILL" in again.error


def test_a_cancelled_program_takes_its_pods_with_it(cluster: Cluster, run_folder: Path) -> None:
    program = make_program(run_folder, "wait")
    worker = work(program)
    process = started(run_folder)
    Program.objects.filter(pk=program.pk).update(state=State.CANCELLED)
    ended(worker, program)
    assert not is_alive(process)
    assert not cluster.jobs


def test_a_job_that_someone_deletes_leaves_a_sentence(cluster: Cluster, run_folder: Path) -> None:
    program = make_program(run_folder, "wait")
    worker = work(program)
    started(run_folder)
    cluster.delete(next(iter(cluster.jobs)))
    program = ended(worker, program)
    assert program.state == State.FAILED
    assert "was deleted by someone before it had a result: retry" in program.error


def test_the_job_of_a_killed_worker_is_found_again_or_ended(
    cluster: Cluster, run_folder: Path, settings: Any, process_environment: dict[str, str]
) -> None:
    for name in ("followed", "orphan"):
        folder = run_folder.with_name(name)
        program = make_program(folder, "wait")
        command = [sys.executable, "-c", WORKER, str(program.pk), str(settings.ACCORD_LAUNCHER_OPTIONS)]
        first = subprocess.Popen(command, env=process_environment)
        process = started(folder)
        wait_until(Program.objects.exclude(job="").filter(pk=program.pk).exists)
        first.kill()
        first.wait()
        assert is_alive(process)
        mine = Program.objects.filter(pk=program.pk)
        if name == "orphan":
            mine.update(state=State.CANCELLED, lease_expires_at=None)
            assert orphan_jobs_end() == 1
            assert not is_alive(process)
            continue
        mine.update(state=State.QUEUED, attempt=2, lease_expires_at=None)
        program.refresh_from_db()
        second = work(program)
        (folder / "go").touch()
        assert ended(second, program).state == State.FINISHED
        assert len((folder / "starts.txt").read_text().split()) == 1


def test_a_job_that_was_made_although_nobody_heard_is_found_and_one_that_was_not_is_made(
    cluster: Cluster, run_folder: Path
) -> None:
    program = make_program(run_folder, "wait")
    folder = RunFolder(run_folder)
    asked = work_of(program, folder, grace=1, silence=1)
    job = launcher_chosen().start(asked)
    present = handle_read(folder)
    assert present is not None
    handle_write(folder, Handle(launcher="kubernetes", name=present.name))
    found = launcher_chosen().find(asked)
    assert found is not None
    assert found.handle == job.handle
    found.stop()
    handle_write(folder, Handle(launcher="kubernetes", name="accord-never"))
    assert launcher_chosen().find(asked) is None


def test_an_api_that_is_away_is_waited_for_and_a_refusal_is_told(
    cluster: Cluster, run_folder: Path, settings: Any
) -> None:
    cluster.is_away = True
    program = make_program(run_folder, "finish")
    program = ended(work(program), program)
    assert program.state == State.PENDING
    assert "Kubernetes cannot be reached (the server is currently unable" in program.error
    cluster.is_away = False
    options = settings.ACCORD_LAUNCHER_OPTIONS
    token = options.with_name("wrong")
    token.write_text("another")
    options.write_text(options.read_text().replace(str(options.parent / "cluster" / "token"), str(token)))
    other = make_program(run_folder.with_name("other"), "finish")
    other = ended(work(other), other)
    assert other.error.startswith("Kubernetes refused it (Unauthorized): let the service account")
    assert not handle_path(RunFolder(run_folder.with_name("other"))).exists()


def test_a_container_that_cannot_start_and_one_that_runs_out_of_memory_have_sentences(
    cluster: Cluster, run_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kubernetes, "BLOCKED_SECONDS", 0.5)
    cluster.next_container = {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}
    program = make_program(run_folder, "finish")
    program = ended(work(program), program)
    assert program.state == State.FAILED
    assert "cannot start its container (ImagePullBackOff: no such image): mend image" in program.error
    cluster.next_container = {"terminated": {"reason": "OOMKilled", "exitCode": 137}}
    other = make_program(run_folder.with_name("other"), "finish")
    other = ended(work(other), other)
    assert other.state == State.FAILED
    assert "raise memory_gib in LAUNCHER_OPTIONS" in other.error


def test_a_time_limit_is_told_and_may_pass(run_folder: Path) -> None:
    condition = {"type": "Failed", "status": "True", "reason": "DeadlineExceeded"}
    view = job_view({"status": {"conditions": [condition]}}, [])
    failure = kubernetes_failure(RunFolder(run_folder), "accord-1", view)
    assert failure is not None
    assert failure.may_pass
    assert "give it more `minutes`" in failure.sentence
    assert job_view({}, []) == JobView(state="waiting")
