"""Shares a program's jobs between processes, each with its own engines.

A small model keeps one core busy and gains nothing from more threads, so on the CPU the work is shared by
forking: the children have vLLM imported already. Jobs are taken one by one by whoever is free; what comes
of them is handed to the program's own process, the only one that writes files. Children of a program that
was killed end with their next report.
"""

import multiprocessing
import os
import sys
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from typing import Protocol, TypeVar

from pretrain.failures import ProgramError, TransientError, explain

ReportT = TypeVar("ReportT")
ReportT_co = TypeVar("ReportT_co", covariant=True)

ForkedWorker = tuple[ForkProcess, Connection]


class Worker(Protocol[ReportT_co]):
    """Does jobs by their number."""

    def do(self, job: int) -> ReportT_co:
        """Do a job and return what is to be told of it."""

    def close(self) -> None:
        """Free what the worker holds."""


def run_jobs(
    num_jobs: int,
    *,
    num_processes: int,
    forked: bool,
    start: Callable[[], Worker[ReportT]],
    on_report: Callable[[ReportT], None],
) -> None:
    """Do jobs 0 to `num_jobs` - 1 and give each one's report to `on_report`, in this process.

    `start` makes a worker; it is called once in each process. One process may be this one, for an engine on a
    GPU, which a fork would not share; on the CPU it is a child even then, whose engines are gone when it is.
    Raises ProgramError when a worker raised anything, TransientError when one was killed, RuntimeError when
    one ended otherwise.
    """
    num_processes = min(num_processes, num_jobs)
    if num_processes == 0:
        return
    if not forked:
        assert num_processes == 1
        worker = start()
        try:
            for job in range(num_jobs):
                on_report(worker.do(job))
        finally:
            worker.close()
        return
    workers = _fork(num_jobs, num_processes, start)
    try:
        _gather(workers, on_report)
    finally:
        for process, connection in workers:
            connection.close()
            process.terminate()
            process.join()


def _fork(num_jobs: int, num_processes: int, start: Callable[[], Worker[ReportT]]) -> list[ForkedWorker]:
    context = multiprocessing.get_context("fork")
    next_job = context.Value("i", 0)

    def take() -> int:
        with next_job.get_lock():
            job: int = next_job.value
            next_job.value += 1
        return job

    workers: list[ForkedWorker] = []
    for _ in range(num_processes):
        ours, theirs = context.Pipe(duplex=False)
        inherited = [connection for _, connection in workers] + [ours]
        process = context.Process(target=_work, args=(num_jobs, take, start, theirs, inherited), daemon=True)
        process.start()
        theirs.close()
        workers.append((process, ours))
    return workers


def _gather(workers: list[ForkedWorker], on_report: Callable[[ReportT], None]) -> None:
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
                    if process.exitcode is not None and process.exitcode < 0:
                        raise TransientError(
                            f"A sampling worker was killed by signal {-process.exitcode}, by someone or "
                            "because the memory ran out: retry, with fewer programs at once if need be."
                        ) from None
                    raise RuntimeError(
                        f"A sampling worker ended with status {process.exitcode}: see the log above."
                    ) from None
                continue
            if isinstance(message, ProgramError):
                raise message
            on_report(message)


def _work(
    num_jobs: int,
    take: Callable[[], int],
    start: Callable[[], Worker[ReportT]],
    reports: Connection,
    inherited: list[Connection],
) -> None:
    """A child: jobs until there are none left; its worker ends with the process."""
    # Reading ends stay open in the parent alone, so that a child notices when it is gone.
    for connection in inherited:
        connection.close()
    try:
        worker = start()
        while (job := take()) < num_jobs:
            reports.send(worker.do(job))
    except BrokenPipeError:
        # The program was killed: nobody waits for what is left.
        sys.exit(1)
    except Exception as error:  # noqa: BLE001  # the outermost frame of this process
        if not isinstance(error, ProgramError):
            traceback.print_exc()
        failure = explain(error)
        reports.send((TransientError if failure.may_pass else ProgramError)(failure.sentence))
    # What an ending process frees piece by piece, the kernel frees at once: of an engine that is seconds.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
