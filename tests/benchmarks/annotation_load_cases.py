"""The cases of `tests.benchmarks.annotation_load`, on the servers that it has started."""

import asyncio
import json
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings

from accord.env import process_environment
from annotation.models import Project
from tests.benchmarks.annotation_load import argument_parser
from tests.benchmarks.annotation_load_clients import (
    Acknowledged,
    Tally,
    people_at_work,
    run,
    work_for,
    work_through,
)
from tests.benchmarks.annotation_load_site import (
    ADDRESS,
    StatementLog,
    WebServer,
    fill_project,
    invariants,
    load_averages,
    make_people,
    num_over_assigned,
)
from tests.benchmarks.measuring import commit, processor

NUM_CLIENTS = (1, 8, 32)
OVERLAP = 2
SECONDS_TO_WARM_UP = 3.0
NUM_COUNTED = 30
"""Cycles of which the statements are counted."""
DROP_SHARE = 0.03
"""Of the requests in cycles_10000, whose connection the client drops before the answer."""
SECONDS_BETWEEN_LOOKS = 1.0


@dataclass(frozen=True, kw_only=True)
class Sql:
    """The most statements that any next and any judgement took, without what begins and ends transactions."""

    next: int
    judgement: int


@dataclass(frozen=True, kw_only=True)
class Report:
    """What one case gave."""

    requests_per_second: float
    """Nexts and judgements together."""
    p95_next_ms: float
    p95_judgement_ms: float
    median_next_ms: float
    median_judgement_ms: float
    sql_next: int
    sql_judgement: int
    over_assigned: int
    duplicates: int
    lost: int
    errors: int
    web_cpu_ms: float | None
    """CPU time of the web processes for each request; None where they were killed on the way."""
    seconds: float
    judgements: int
    drops: int
    """Connections that clients dropped before the answer."""
    repeats: int
    """Requests sent again because the server was gone."""
    load_average: list[float]
    """Of the last 1, 5 and 15 minutes when the case ended: the machine's other work shows here."""


def main() -> int:
    """Run the cases, print a line for each, write the report; the status is 1 where a promise is broken."""
    chosen = argument_parser().parse_args()
    cases: list[dict[str, Any]] = []

    def note(name: str, report: Report) -> None:
        cases.append({"name": name, "ratio": None, "ours": asdict(report), "peer": None})
        write_report(chosen.json, cases)
        sys.stdout.write(f"{_line(name, report)}\n")
        sys.stdout.flush()

    def is_wanted(name: str) -> bool:
        return chosen.only is None or name in chosen.only

    web = WebServer(settings.ACCORD_VAR, process_environment({}))
    web.start()
    try:
        project = fill_project("load", num_comparisons=chosen.comparisons, overlap=OVERLAP)
        sql, told = count_statements(web, project)
        for number in NUM_CLIENTS:
            if is_wanted(f"clients_{number}"):
                note(f"clients_{number}", run_clients(web, project, number, chosen.seconds, sql, told))
        if is_wanted("cycles_10000"):
            note("cycles_10000", run_cycles(web, chosen.cycles, chosen.people, chosen.kills, sql))
    finally:
        web.stop()
    ours = [case["ours"] for case in cases]
    return int(any(case[what] for case in ours for what in ("over_assigned", "duplicates", "lost", "errors")))


def count_statements(web: WebServer, project: Project) -> tuple[Sql, list[Acknowledged]]:
    """SQL statements by PostgreSQL's own log, one request at a time; and what was judged on the way."""
    log = StatementLog(settings.ACCORD_VAR / "log" / "postgres.log")
    counts: dict[str, list[int]] = {"next": [], "judgement": []}
    people, tally = people_at_work(ADDRESS, web.port, project.slug, make_people(project, 1))

    async def work() -> None:
        place = log.place()

        def note(what: str) -> None:
            nonlocal place
            counts[what].append(log.count_since(place))
            place = log.place()

        for _ in range(NUM_COUNTED):
            handed = await people[0].ask_next()
            note("next")
            assert handed is not None, tally.errors
            await people[0].judge(handed)
            note("judgement")

    run(people, work_for(people, 1.0))
    log.on(True)
    run(people, work())
    log.on(False)
    return Sql(next=max(counts["next"]), judgement=max(counts["judgement"])), tally.acknowledged


def run_clients(
    web: WebServer, project: Project, number: int, seconds: float, sql: Sql, told: list[Acknowledged]
) -> Report:
    """So many people who work as fast as they are answered. Adds to `told` what was acknowledged."""
    people, tally = people_at_work(ADDRESS, web.port, project.slug, make_people(project, number))
    cpu_seconds = 0.0

    async def work() -> float:
        nonlocal cpu_seconds
        await work_for(people, SECONDS_TO_WARM_UP)
        tally.clear()
        began = web.cpu_seconds()
        took = await work_for(people, seconds)
        cpu_seconds = web.cpu_seconds() - began
        return took

    took = run(people, work())
    told += tally.acknowledged
    return _report(project, tally, told, took, sql, cpu_seconds)


def run_cycles(web: WebServer, cycles: int, num_people: int, kills: int, sql: Sql) -> Report:
    """As many places as cycles, so that all are taken, while web processes die and connections drop."""
    project = fill_project("cycles", num_comparisons=cycles // OVERLAP, overlap=OVERLAP)
    tokens = make_people(project, num_people)
    people, tally = people_at_work(ADDRESS, web.port, project.slug, tokens, drop_share=DROP_SHARE)
    over = [0]

    async def look() -> None:
        while True:
            over.append(await sync_to_async(num_over_assigned)(project))
            await asyncio.sleep(SECONDS_BETWEEN_LOOKS)

    async def work() -> float:
        looking = asyncio.create_task(look())
        took = await work_through(people, cycles, kills=kills, kill=web.kill)
        looking.cancel()
        return took

    took = run(people, work())
    report = _report(project, tally, tally.acknowledged, took, sql, None)
    report = replace(report, over_assigned=max(report.over_assigned, *over))
    assert report.judgements == cycles, report
    return report


def _report(
    project: Project,
    tally: Tally,
    told: Sequence[Acknowledged],
    took: float,
    sql: Sql,
    cpu_seconds: float | None,
) -> Report:
    kept = invariants(project, told)
    for error in tally.errors[:10]:
        sys.stderr.write(f"{error}\n")
    num_requests = len(tally.next_seconds) + len(tally.judgement_seconds)
    return Report(
        requests_per_second=round(num_requests / took, 1),
        p95_next_ms=_p95_ms(tally.next_seconds),
        p95_judgement_ms=_p95_ms(tally.judgement_seconds),
        median_next_ms=round(1000 * statistics.median(tally.next_seconds), 1),
        median_judgement_ms=round(1000 * statistics.median(tally.judgement_seconds), 1),
        sql_next=sql.next,
        sql_judgement=sql.judgement,
        over_assigned=kept.over_assigned,
        duplicates=kept.duplicates,
        lost=kept.lost,
        errors=len(tally.errors),
        web_cpu_ms=None if cpu_seconds is None else round(1000 * cpu_seconds / num_requests, 2),
        seconds=round(took, 1),
        judgements=len(tally.judgement_seconds),
        drops=tally.drops,
        repeats=tally.repeats,
        load_average=load_averages(),
    )


def _p95_ms(seconds: Sequence[float]) -> float:
    return round(1000 * statistics.quantiles(seconds, n=20)[-1], 1)


def _line(name: str, report: Report) -> str:
    return (
        f"{name}: {report.requests_per_second} requests/s, p95 next {report.p95_next_ms} ms, judgement "
        f"{report.p95_judgement_ms} ms, SQL {report.sql_next} and {report.sql_judgement}, over-assigned "
        f"{report.over_assigned}, duplicates {report.duplicates}, lost {report.lost}, "
        f"errors {report.errors}, CPU {report.web_cpu_ms} ms, load {report.load_average[0]}"
    )


def write_report(path: Path, cases: Sequence[dict[str, Any]]) -> None:
    """The contract's JSON."""
    report = {"device": f"{processor()}, all on the same cores", "commit": commit(), "cases": cases}
    path.write_text(json.dumps(report, indent=2) + "\n")
