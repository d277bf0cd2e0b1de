"""Sharing jobs between processes: all done once, and failures told, whichever worker they are in."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import pytest

from alignment.sampling.workers import run_jobs
from pretrain.run import ProgramError

T = TypeVar("T")


@dataclass
class Doing(Generic[T]):
    """A worker that does one thing with every job."""

    what: Callable[[int], T]
    closed: bool = False

    def do(self, job: int) -> T:
        return self.what(job)

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize("num_processes", [1, 3])
def test_every_job_is_done_once_and_reported_here(num_processes: int) -> None:
    reports: list[int] = []

    run_jobs(
        20,
        num_processes=num_processes,
        forked=True,
        start=lambda: Doing(lambda job: job * job),
        on_report=reports.append,
    )

    assert sorted(reports) == [job * job for job in range(20)]


def test_several_processes_share_the_jobs() -> None:
    reports: list[tuple[int, int]] = []

    run_jobs(
        200,
        num_processes=2,
        forked=True,
        start=lambda: Doing(lambda job: (job, os.getpid())),
        on_report=reports.append,
    )

    assert os.getpid() not in {pid for _, pid in reports}
    assert sorted(job for job, _ in reports) == list(range(200))


def test_a_single_worker_is_closed_also_when_its_reports_are_not_taken() -> None:
    worker = Doing(lambda job: job)

    def refuse(report: int) -> None:
        raise OSError("The disk is full.")

    with pytest.raises(OSError, match="full"):
        run_jobs(3, num_processes=1, forked=False, start=lambda: worker, on_report=refuse)

    assert worker.closed


def test_no_jobs_start_no_worker() -> None:
    def start() -> Doing[int]:
        raise AssertionError("A worker was started for nothing.")

    run_jobs(0, num_processes=2, forked=True, start=start, on_report=lambda _: None)


def test_a_workers_sentence_for_the_user_comes_through() -> None:
    def start() -> Doing[int]:
        raise ProgramError("The folder is empty: give another.")

    with pytest.raises(ProgramError, match="The folder is empty"):
        run_jobs(4, num_processes=2, forked=True, start=start, on_report=lambda _: None)


def test_a_worker_that_dies_is_noticed() -> None:
    with pytest.raises(RuntimeError, match="status 7"):
        run_jobs(
            4,
            num_processes=2,
            forked=True,
            start=lambda: Doing(lambda job: os._exit(7)),
            on_report=lambda _: None,
        )
