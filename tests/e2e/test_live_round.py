"""The page of a round beside a real worker and web server: it tells the truth without being reloaded."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect

from accord.env import REPOSITORY
from accounts.models import Role
from accounts.services import user_create
from alignment.control import round_cancel
from alignment.messages import program_run_send
from alignment.models import Program, Round, Stage
from pretrain.run import RunFolder
from tests.alignment.factories import make_round
from tests.e2e.browser import Window, window
from tests.e2e.walking_program import WalkConfig
from tests.live.readers import serving

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

Worker = subprocess.Popen[bytes]


@pytest.fixture
def start_worker(
    process_environment: dict[str, str], broker: str, tmp_path: Path
) -> Iterator[Callable[[], Worker]]:
    """`start_worker()` starts a Celery worker of all queues, with the clock."""
    started: list[Worker] = []

    def start() -> Worker:
        number = len(started)
        command = [
            *(sys.executable, "-m", "celery", "-A", "accord", "worker", "--queues", "default,training"),
            *("--pool", "threads", "--concurrency", "4", "--loglevel", "WARNING"),
            *("--without-gossip", "--without-mingle", "--without-heartbeat", "--hostname", f"w{number}@%h"),
            *("--beat", "--schedule", str(tmp_path / f"beat-{number}")),
        ]
        with (tmp_path / f"worker-{number}.log").open("wb") as log:
            worker = subprocess.Popen(
                command,
                cwd=REPOSITORY,
                env=process_environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        started.append(worker)
        return worker

    yield start
    for worker in started:
        if worker.poll() is None:
            worker.terminate()
            worker.wait(30)


def queued_program(folder: Path, config: WalkConfig) -> Program:
    """In the DPO stage of a running round."""
    round_ = make_round()
    stage = round_.stages.get(name=Stage.Name.DPO)
    round_.stages.filter(position__lt=stage.position).update(state=Stage.State.FINISHED)
    now = timezone.now()
    Stage.objects.filter(pk=stage.pk).update(state=Stage.State.RUNNING, attempt=1, started_at=now)
    RunFolder(folder).write_config(config)
    return Program.objects.create(
        stage=stage,
        name="variant-1",
        module="tests.e2e.walking_program",
        queue="training",
        group=0,
        folder=str(folder),
        state=Program.State.QUEUED,
        attempt=1,
        started_at=now,
    )


@contextmanager
def watching(browser: Browser, url: str, round_: Round) -> Iterator[Window]:
    """An admin on the round's page, which is live."""
    admin = user_create(username="lead", role=Role.ADMIN)
    with window(browser, url) as opened:
        opened.enter_as(admin)
        opened.open(f"/rounds/{round_.pk}/")
        opened.page.evaluate("window.neverReloaded = true")
        expect(opened.page.locator("[data-live-state=live]")).to_be_visible()
        yield opened
        assert opened.page.evaluate("window.neverReloaded")


def done(page: Page) -> int:
    """How many steps the page says are done."""
    # Before the first step is told there is a figure of the time left alone.
    figure = page.locator("#now .now-figures dd", has_text="/").first
    expect(figure).to_be_visible()
    return int(figure.inner_text().split("/")[0].replace(",", ""))


def wait_until(page: Page, come: Callable[[], bool]) -> None:
    """Look again and again, for as long as one waits for anything."""
    for _ in range(300):
        if come():
            return
        page.wait_for_timeout(100)
    raise AssertionError("it never came")


def test_the_page_moves_by_itself_and_tells_of_a_killed_worker_and_of_its_return(
    browser: Browser, start_worker: Callable[[], Worker], tmp_path: Path
) -> None:
    program = queued_program(tmp_path / "run", WalkConfig(steps=2_000, seconds_per_step=0.1))
    assert program.stage is not None
    with serving() as url, watching(browser, url, program.stage.round) as opened:
        page = opened.page
        worker = start_worker()
        program_run_send(program.pk, 1, "training")
        first = done(page)
        wait_until(page, lambda: done(page) > first)
        expect(page.locator("#curves-dpo, #samples").first).to_be_visible()
        expect(page.get_by_text("Not far any more.")).to_be_visible()

        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()
        told = page.get_by_text("No sign of life from variant-1")
        expect(told).to_be_visible(timeout=40_000)
        stood = done(page)

        start_worker()  # on the same machine: it need not wait for the lease to run out
        expect(told).to_have_count(0, timeout=40_000)
        wait_until(page, lambda: done(page) > stood)

        page.context.set_offline(True)
        expect(page.get_by_text("No connection.")).to_be_visible()
        round_cancel(program.stage.round, None)
        page.context.set_offline(False)
        expect(page.locator("#round-live[data-state=cancelled]")).to_be_visible()
        expect(page.locator("[data-live-state=live]")).to_be_visible()


def test_a_program_that_fails_says_why_on_the_open_page_and_can_be_retried_there(
    browser: Browser, start_worker: Callable[[], Worker], tmp_path: Path
) -> None:
    config = WalkConfig(steps=50, seconds_per_step=0.1, refuse_at=5)
    program = queued_program(tmp_path / "run", config)
    assert program.stage is not None
    with serving() as url, watching(browser, url, program.stage.round) as opened:
        start_worker()
        program_run_send(program.pk, 1, "training")
        notice = opened.page.get_by_role("alert").filter(has_text="The shoes are too small")
        expect(notice).to_be_visible(timeout=40_000)
        expect(notice.get_by_role("button", name="Retry this stage")).to_be_visible()
        assert not opened.problems
