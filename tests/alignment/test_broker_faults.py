"""A round ends as it should, and computes nothing twice, whatever the broker does with the messages.

Real workers, a real Valkey, a real PostgreSQL; only the programs are stand-ins, which end within seconds.
"""

import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
import redis
from django.utils import timezone

from accord.env import REPOSITORY
from alignment.advancing import RESEND_AFTER
from alignment.models import Program, Round, Stage
from deploy.local.child import Child
from tests.alignment.factories import make_program, make_round
from webhooks.models import Delivery, Endpoint

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

SECONDS_TO_END = 90.0
RECEIVED = re.compile(r"Task alignment\.tasks\.program_run\[(.*?)\] received")

Worker = Callable[..., Child]


@pytest.fixture
def worker(
    process_environment: dict[str, str], broker: str, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Worker]:
    """Starts Celery workers under the settings of `broker_faults`; the first one holds the clock."""
    redis.Redis.from_url(broker).flushall()
    started: list[Child] = []

    def start(fault: str, *, concurrency: int = 2) -> Child:
        name = f"worker-{len(started)}"
        clock = [] if started else ["--beat", "--schedule", str(tmp_path / "beat")]
        child = Child(
            name=name,
            command=[
                *(sys.executable, "-m", "celery", "-A", "accord", "worker", "--queues", "default,training"),
                *("--hostname", f"{name}@%h", "--pool", "threads", "--concurrency", str(concurrency)),
                *("--loglevel", "INFO", "--without-gossip", "--without-mingle", "--without-heartbeat"),
                *clock,
            ],
            environment={
                **process_environment,
                "DJANGO_SETTINGS_MODULE": "tests.alignment.broker_faults",
                "BROKER_FAULT": fault,
                "SPT_NOENV": "1",
            },
            log=tmp_path / f"{name}.log",
            folder=REPOSITORY,
        )
        child.start()
        started.append(child)
        return child

    yield start
    for child in started:
        child.stop_ask()
    for child in started:
        child.stop_wait(15)
    redis.Redis.from_url(broker).flushall()


def make_sampling(folder: Path, *, num_shards: int, until: Path | None = None) -> Round:
    """A running round of which only rejection sampling is left: shards, and what gathers them.

    Programs end once there is the file `until`.
    """
    round_ = make_round()
    stage = round_.stages.get(name=Stage.Name.REJECTION_SAMPLING)
    round_.stages.exclude(pk=stage.pk).update(state=Stage.State.FINISHED)
    Stage.objects.filter(pk=stage.pk).update(state=Stage.State.RUNNING, attempt=1)
    stage.refresh_from_db()
    for number in range(num_shards):
        make_program(
            folder / f"shard-{number}",
            "finish",
            state=Program.State.PENDING,
            stage=stage,
            until=until,
            values={"attempt": 0},
        )
    gathering = {"name": "sampling", "group": 1, "attempt": 0}
    make_program(folder / "gather", "finish", state=Program.State.PENDING, stage=stage, values=gathering)
    Endpoint.objects.create(url="http://127.0.0.1/", secret="", events=["round.finished"])
    return round_


def wait_until(condition: Callable[[], bool], worker: Child) -> None:
    give_up = time.monotonic() + SECONDS_TO_END
    while not condition():
        assert worker.is_running(), worker.log_tail(60)
        assert time.monotonic() < give_up, worker.log_tail(60)
        time.sleep(0.1)


def num_begun(round_: Round) -> int:
    """Programs that were started, whether or not they ended."""
    return sum((Path(each.folder) / "starts.txt").exists() for each in programs_of(round_))


def programs_of(round_: Round) -> list[Program]:
    return list(Program.objects.filter(stage__round=round_))


@contextmanager
def ends_well(round_: Round, worker: Child) -> Iterator[None]:
    """After the block the round finishes: every program was started once, and the end was told once."""
    yield
    wait_until(lambda: Round.objects.get(pk=round_.pk).state != Round.State.RUNNING, worker)
    assert Round.objects.get(pk=round_.pk).state == Round.State.FINISHED
    for program in programs_of(round_):
        assert program.state == Program.State.FINISHED, (program.name, program.state, program.error)
        assert program.attempt == 1, program.name
        assert program.lease_expires_at is None
        assert len((Path(program.folder) / "starts.txt").read_text().split()) == 1, program.name
    assert Delivery.objects.filter(event="round.finished").count() == 1


def received(*workers: Child) -> Counter[str]:
    """How often the workers received each message that asks for a program."""
    return Counter(RECEIVED.findall("".join(worker.log.read_text() for worker in workers)))


def test_every_message_delivered_twice_changes_nothing(worker: Worker, tmp_path: Path) -> None:
    round_ = make_sampling(tmp_path / "run", num_shards=4)
    first = worker("twice")
    with ends_well(round_, first):
        pass
    assert set(received(first).values()) == {2}


def test_a_message_that_another_worker_gets_after_the_visibility_timeout_changes_nothing(
    worker: Worker, tmp_path: Path
) -> None:
    """The first worker has one thread: what it took beside the running program waits, and is given away."""
    round_ = make_sampling(tmp_path / "run", num_shards=3, until=tmp_path / "go")
    first = worker("late", concurrency=1)
    wait_until(lambda: num_begun(round_) > 0, first)
    second = worker("late", concurrency=2)
    with ends_well(round_, first):
        wait_until(lambda: num_begun(round_) == 3, second)
        (tmp_path / "go").touch()
    assert max(received(first, second).values()) > 1


def test_a_broker_emptied_in_mid_round_loses_nothing(worker: Worker, broker: str, tmp_path: Path) -> None:
    round_ = make_sampling(tmp_path / "run", num_shards=4, until=tmp_path / "go")
    first = worker("none", concurrency=1)
    wait_until(lambda: num_begun(round_) > 0, first)
    assert redis.Redis.from_url(broker).flushall()
    # The clock asks again after a while, for what nobody has taken; the test does not wait for so long.
    waited = timezone.now() - RESEND_AFTER - timedelta(seconds=1)
    with ends_well(round_, first):
        Program.objects.filter(state=Program.State.QUEUED).update(started_at=waited)
        (tmp_path / "go").touch()
