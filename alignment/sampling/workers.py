"""Shares a program's jobs between processes, each with its own engines.

A small model keeps one core busy and gains nothing from more threads, so on the CPU the work is shared by
forking: the children have vLLM imported already. Jobs are taken one by one by whoever is free; what comes
of them is handed to the program's own process, the only one that writes files. Children of a program that
was killed end with their next report.
"""

import multiprocessing
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from typing import Protocol, TypeVar

from pretrain.run import ProgramError

ReportT = TypeVar("ReportT")

Work = Callable[[int], ReportT]
"""Does the job of a number and returns its report."""


class Counter(Protocol):
    """Gives out 0, 1, 2, … across processes."""

    def __call__(self) -> int: ...


def run_jobs(
    num_jobs: int,
    *,
    num_processes: int,
    start: Callable[[], Work[ReportT]],
    on_report: Callable[[ReportT], None],
) -> None:
    """Do jobs 0 to `num_jobs` - 1 and give each one's report to `on_report`, in this process.

    `start` builds a worker's engines and returns what does a job with them; it is called once in each
    process. Raises ProgramError when a worker did, RuntimeError when one died.
    """
    num_processes = min(num_processes, num_jobs)
    if num_processes <= 1:
        if num_jobs:
            work = start()
            for job in range(num_jobs):
                on_report(work(job))
        return
    workers = _fork(num_jobs, num_processes, start)
    try:
        _gather(workers, on_report)
    finally:
        for process, connection in workers:
            connection.close()
            process.terminate()
            process.join()


def _fork(
    num_jobs: int, num_processes: int, start: Callable[[], Work[ReportT]]
) -> list[tuple[ForkProcess, Connection]]:
    context = multiprocessing.get_context("fork")
    next_job = context.Value("i", 0)

    def take() -> int:
        with next_job.get_lock():
            job: int = next_job.value
            next_job.value += 1
        return job

    workers: list[tuple[ForkProcess, Connection]] = []
    for _ in range(num_processes):
        ours, theirs = context.Pipe(duplex=False)
        inherited = [connection for _, connection in workers] + [ours]
        process = context.Process(target=_work, args=(num_jobs, take, start, theirs, inherited), daemon=True)
        process.start()
        theirs.close()
        workers.append((process, ours))
    return workers


def _gather(workers: list[tuple[ForkProcess, Connection]], on_report: Callable[[ReportT], None]) -> None:
    open_ends = {connection: process for process, connection in workers}
    while open_ends:
        for connection in wait(list(open_ends)):
            assert isinstance(connection, Connection)
            try:
                message = connection.recv()
            except EOFError:
                process = open_ends.pop(connection)
                process.join()
                if process.exitcode != 0:
                    raise RuntimeError(
                        f"A sampling worker ended with status {process.exitcode}: see the log above."
                    ) from None
                continue
            if isinstance(message, ProgramError):
                raise message
            on_report(message)


def _work(
    num_jobs: int,
    take: Counter,
    start: Callable[[], Work[ReportT]],
    reports: Connection,
    inherited: list[Connection],
) -> None:
    """A child: jobs until there are none left. Reading ends stay open in the parent alone."""
    for connection in inherited:
        connection.close()
    try:
        work = start()
        while (job := take()) < num_jobs:
            reports.send(work(job))
    except ProgramError as error:
        reports.send(error)
    except BrokenPipeError:
        # The program was killed: nobody waits for what is left.
        sys.exit(1)
