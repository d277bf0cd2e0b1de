"""A worker that is asked to end hands its programs on, and nothing is lost or computed otherwise."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from accord.env import REPOSITORY
from alignment.draining import DRAIN
from alignment.models import Program, Stage
from alignment.programs import SftConfig
from alignment.progress import ProgressTail
from alignment.training import sft
from annotation.records import write_records
from deploy.local.child import Child
from deploy.production.commands import WORKER, WORKER_OPTIONS
from pretrain.run import CHECKPOINTS, RunFolder
from tests.alignment.factories import make_program, make_round
from tests.alignment.training.factories import make_base, make_optimizer, make_sft_examples, training
from tests.alignment.worker_threads import ended, started, wait_until, work

pytestmark = pytest.mark.django_db(transaction=True)

State = Program.State


@pytest.fixture(autouse=True)
def asked_again() -> Iterator[None]:
    """What one test asks of this process does not concern the next."""
    yield
    DRAIN.cancel()


def test_a_training_that_is_handed_on_gives_the_same_bits(tmp_path: Path) -> None:
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
    wait_until(lambda: (ProgressTail(cut, from_start=True).latest() or {}).get("done"))
    DRAIN.begin()
    program = ended(worker, program)
    assert (program.state, program.error, program.num_retries) == (State.PENDING, "", 0)
    assert (program.lease_expires_at, program.pid) == (None, None)
    assert list(cut.path.glob(CHECKPOINTS)), "it has saved"
    assert cut.read_result() is None
    DRAIN.cancel()
    Program.objects.filter(pk=program.pk).update(state=State.QUEUED, attempt=2)
    program.refresh_from_db()
    program = ended(work(program), program)
    assert (program.state, program.error) == (State.FINISHED, "")
    weights = [(folder.path / "checkpoint" / "model.safetensors").read_bytes() for folder in (whole, cut)]
    assert weights[0] == weights[1]
    assert whole.read_result() == cut.read_result()


def test_what_ends_by_itself_in_the_time_given_is_done(tmp_path: Path, settings: Any) -> None:
    settings.ACCORD_DRAIN_SECONDS = 3600
    program = make_program(tmp_path / "run", "finish", until=tmp_path / "go")
    worker = work(program)
    started(tmp_path / "run")
    DRAIN.begin()
    (tmp_path / "go").touch()
    program = ended(worker, program)
    assert (program.state, program.result) == (State.FINISHED, {"num_tokens": 7})


@pytest.fixture
def start_worker(
    process_environment: dict[str, str], broker: str, tmp_path: Path
) -> Iterator[Callable[..., Child]]:
    """Starts real Celery workers of programs, and one for the clock."""
    redis.Redis.from_url(broker).flushall()
    children: list[Child] = []

    def start(name: str, *queues: str) -> Child:
        clock = ["--beat", "--schedule", str(tmp_path / "beat")] if "default" in queues else []
        child = Child(
            name=name,
            command=[
                *(sys.executable, "-m", *WORKER, *WORKER_OPTIONS, "--queues", ",".join(queues)),
                *("--hostname", f"{name}@%h", "--concurrency", "2", "--loglevel", "INFO", *clock),
            ],
            environment={**process_environment, "SPT_NOENV": "1"},
            log=tmp_path / f"{name}.log",
            folder=REPOSITORY,
        )
        child.start()
        children.append(child)
        return child

    yield start
    for child in children:
        child.stop_ask()
    for child in children:
        child.stop_wait(30)
    redis.Redis.from_url(broker).flushall()


def test_workers_are_exchanged_one_by_one_while_a_round_runs(
    start_worker: Callable[..., Child], tmp_path: Path
) -> None:
    round_ = make_round()
    stage = round_.stages.get(name=Stage.Name.REJECTION_SAMPLING)
    round_.stages.exclude(pk=stage.pk).update(state=Stage.State.FINISHED)
    Stage.objects.filter(pk=stage.pk).update(state=Stage.State.RUNNING, attempt=1)
    for number in range(2):
        values = {"attempt": 0, "name": f"shard-{number}"}
        folder = tmp_path / f"shard-{number}"
        make_program(folder, "finish", state=State.PENDING, stage=stage, until=tmp_path / "go", values=values)
    clock, old = start_worker("clock", "default"), start_worker("old", "training")
    for number in range(2):
        started(tmp_path / f"shard-{number}")
    old.stop_ask()
    assert old.process is not None
    assert old.process.wait(60) == 0, old.log_tail(40)
    assert set(stage.programs.values_list("num_lost", flat=True)) == {0}
    new = start_worker("new", "training")
    (tmp_path / "go").touch()
    wait_until(lambda: stage.programs.filter(state=State.FINISHED).count() == 2)
    for number in range(2):
        assert len((tmp_path / f"shard-{number}" / "starts.txt").read_text().split()) == 2
    assert set(stage.programs.values_list("num_lost", "num_retries", "error")) == {(0, 0, "")}
    assert clock.is_running() and new.is_running()
