"""Live turns with real servers: workers killed in the middle, many requests at once; each comes once."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
from django.db import transaction
from django.utils import timezone

from accord.env import REPOSITORY
from annotation.models import Comparison, PairRequest
from annotation.services import pair_run, turn_ask
from tests.annotation.factories import Annotator, make_annotator, make_comparison, make_project
from tests.annotation.model_server import ModelServer, deploy, model_server
from tests.annotation.test_leasing_together import all_at_once

pytestmark = pytest.mark.django_db(transaction=True)

PATIENCE_SECONDS = 60.0
NUM_AT_ONCE = 6


@contextmanager
def worker(environment: dict[str, str], log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A Celery worker with the clock, in a process group of its own."""
    command = [
        *(sys.executable, "-m", "celery", "-A", "accord", "worker", "--queues", "default"),
        *("--pool", "threads", "--concurrency", "4", "--loglevel", "INFO"),
        *("--without-gossip", "--without-mingle", "--without-heartbeat"),
        *("--beat", "--schedule", str(log.with_suffix(".beat"))),
    ]
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            env=environment,
            cwd=REPOSITORY,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def until(what: Callable[[], bool]) -> None:
    """Wait for it."""
    give_up = time.monotonic() + PATIENCE_SECONDS
    while not what():
        assert time.monotonic() < give_up, "it never came"
        time.sleep(0.05)


def is_connected(process: "subprocess.Popen[bytes]", server: ModelServer) -> bool:
    """Whether it is this process that asks the server."""
    connections = psutil.Process(process.pid).net_connections("tcp")
    return any(each.raddr and each.raddr.port == server.http.server_address[1] for each in connections)


def test_a_turn_whose_worker_is_killed_still_comes_and_comes_once(
    broker: str, process_environment: dict[str, str], tmp_path: Path
) -> None:
    project = make_project()
    annotator = Annotator(make_annotator(project))
    comparison = make_comparison(project, "Why?")
    annotator.judge(annotator.next(project))
    folder = tmp_path / "tokenizer"
    with model_server(folder, lambda model, prompt: f"{model} says so") as server:
        deploy(project, server, folder, "one", "two")
        server.hold()
        with (
            worker(process_environment, tmp_path / "first.log") as first,
            worker(process_environment, tmp_path / "second.log") as second,
        ):
            with transaction.atomic():
                turn_ask(dialog_id=comparison.dialog_id, annotator=annotator.user, content="And then?")
            until(lambda: len(server.prompts) == 2)
            asks = next(each for each in (first, second) if is_connected(each, server))
            os.killpg(asks.pid, signal.SIGKILL)
            asks.wait()
            request = PairRequest.objects.get()
            assert (request.state, request.attempts) == ("running", 1)
            PairRequest.objects.update(due_at=timezone.now() - timedelta(seconds=1))
            server.let_go()
            until(lambda: PairRequest.objects.get().state == "ready")
    handed = annotator.next(project)
    assert {handed["left"]["content"], handed["right"]["content"]} == {"one says so", "two says so"}
    assert PairRequest.objects.get().attempts == 2
    assert Comparison.objects.filter(dialog=comparison.dialog_id).count() == 2
    assert annotator.judge(handed).status == 201
    assert annotator.next(project) is None


def test_one_message_sent_many_times_at_once_is_one_turn_handed_out_once(broker: str, tmp_path: Path) -> None:
    project = make_project()
    annotator = Annotator(make_annotator(project))
    comparison = make_comparison(project, "Why?")
    annotator.judge(annotator.next(project))
    path = f"/dialogs/{comparison.dialog_id}/turn"
    body = {"content": "And then?", "background": True}
    replies = all_at_once([lambda: annotator.call("POST", path, body).body["id"]] * NUM_AT_ONCE)
    assert len(set(replies)) == PairRequest.objects.count() == 1
    folder = tmp_path / "tokenizer"
    with model_server(folder, lambda model, prompt: f"{model} says so") as server:
        deploy(project, server, folder, "one", "two")
        all_at_once([lambda: pair_run(PairRequest.objects.get().pk)] * NUM_AT_ONCE)
        assert len(server.prompts) == 2
    handed = all_at_once([lambda: annotator.next(project)["id"]] * NUM_AT_ONCE)
    assert len(set(handed)) == 1
    assert Comparison.objects.filter(dialog=comparison.dialog_id).count() == 2
