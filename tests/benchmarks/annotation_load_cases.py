"""The cases of `tests.benchmarks.annotation_load`, on the servers that it has started."""

import asyncio
import json
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings

from accord.env import process_environment
from annotation.models import Project
from tests.benchmarks.annotation_load import argument_parser
from tests.benchmarks.annotation_load_clients import (
    Acknowledged,
    Person,
    Tally,
    people_at_work,
    run,
    work_for,
    work_through,
)
from tests.benchmarks.annotation_load_page import run_page
from tests.benchmarks.annotation_load_site import (
    ADDRESS,
    ANSWER,
    QUESTION,
    Invariants,
    StatementLog,
    WebServer,
    accord_server,
    fill_project,
    invariants,
    load_averages,
    make_people,
    num_over_assigned,
)
from tests.benchmarks.label_studio_side import LabelStudio
from tests.benchmarks.measuring import commit, processor

NUM_CLIENTS = (1, 8, 32)
OVERLAP = 2
SECONDS_TO_WARM_UP = 3.0
NUM_COUNTED = 30
"""Cycles of which the statements are counted."""
DROP_SHARE = 0.03
"""Of the requests in cycles_10000, whose connection the client drops before the answer."""
SECONDS_BETWEEN_LOOKS = 1.0

Case = dict[str, Any]
"""JSON: one of the report's cases."""


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
    sql_next: int | None
    """None where they were not counted: with people at the same time no request has its own statements."""
    sql_judgement: int | None
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


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of the two sites that do the same work."""

    web: WebServer
    people: Callable[[int], tuple[list[Person], Tally]]
    """So many people who have done nothing yet, and their tally."""
    invariants: Callable[[Sequence[Acknowledged]], Invariants]
    told: list[Acknowledged] = field(default_factory=list)
    """All that was acknowledged until now."""


def main() -> int:
    """Run the cases, print a line for each, write the report; the status is 1 where a promise is broken."""
    chosen = argument_parser().parse_args()
    cases: dict[str, Case] = {}

    def note(name: str, side: str, report: Report) -> None:
        case = cases.setdefault(name, {"name": name, "ratio": None, "ours": None, "peer": None})
        case[side] = asdict(report)
        if case["ours"] and case["peer"]:
            ours, peer = (case[each]["requests_per_second"] for each in ("ours", "peer"))
            case["ratio"] = round(ours / peer, 2)
        write_report(chosen.json, list(cases.values()))
        sys.stdout.write(f"{_line(name, side, report)}\n")
        sys.stdout.flush()

    def is_wanted(name: str) -> bool:
        return chosen.only is None or name in chosen.only

    def note_clients(name_of_side: str, side: Side) -> None:
        wanted = [number for number in NUM_CLIENTS if is_wanted(f"clients_{number}")]
        sql = count_statements(side) if wanted else Sql(next=0, judgement=0)
        for number in wanted:
            note(f"clients_{number}", name_of_side, run_clients(side, number, chosen.seconds, sql))

    web = accord_server(settings.ACCORD_VAR, process_environment({}))
    web.start()
    try:
        project = fill_project("load", num_comparisons=chosen.comparisons, overlap=OVERLAP)
        note_clients("ours", accord_side(web, project))
        if is_wanted("cycles_10000"):
            report = run_cycles(web, chosen.cycles, chosen.people, chosen.kills)
            note("cycles_10000", "ours", report)
        if is_wanted("page"):
            page = run_page(f"http://{ADDRESS}:{web.port}", project)
            cases["page"] = {"name": "page", "ratio": None, "ours": asdict(page), "peer": None}
            write_report(chosen.json, list(cases.values()))
            sys.stdout.write(f"page ours: {page.interactive_ms} ms, {page.compressed_kb} KB compressed\n")
    finally:
        web.stop()
    if chosen.peer is not None:
        peer = LabelStudio(chosen.peer_python, settings.ACCORD_VAR)
        peer.fill(
            num_people=1 + sum(NUM_CLIENTS),
            num_tasks=chosen.comparisons,
            overlap=OVERLAP,
            data={"prompt": QUESTION, "left": f"First {ANSWER * 5}", "right": f"Second {ANSWER * 5}"},
        )
        peer.web.start()
        try:
            note_clients("peer", Side(web=peer.web, people=peer.people, invariants=peer.invariants))
        finally:
            peer.web.stop()
    promises = ("over_assigned", "duplicates", "lost", "errors")
    return int(any(case["ours"].get(what) for case in cases.values() for what in promises))


def accord_side(web: WebServer, project: Project) -> Side:
    """Ours: everybody who works is a new annotator of the project."""
    return Side(
        web=web,
        people=lambda number: people_at_work(ADDRESS, web.port, project.slug, make_people(project, number)),
        invariants=lambda told: invariants(project, told),
    )


def count_statements(side: Side) -> Sql:
    """SQL statements by PostgreSQL's own log, one request at a time."""
    log = StatementLog(settings.ACCORD_VAR / "log" / "postgres.log")
    counts: dict[str, list[int]] = {"next": [], "judgement": []}
    people, tally = side.people(1)

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
    side.told.extend(tally.acknowledged)
    return Sql(next=max(counts["next"]), judgement=max(counts["judgement"]))


def run_clients(side: Side, number: int, seconds: float, sql: Sql) -> Report:
    """So many people who work as fast as they are answered."""
    people, tally = side.people(number)
    cpu_seconds = 0.0

    async def work() -> float:
        nonlocal cpu_seconds
        await work_for(people, SECONDS_TO_WARM_UP)
        tally.clear()
        began = side.web.cpu_seconds()
        took = await work_for(people, seconds)
        cpu_seconds = side.web.cpu_seconds() - began
        return took

    took = run(people, work())
    side.told.extend(tally.acknowledged)
    return _report(side.invariants(side.told), tally, took, sql, cpu_seconds)


def run_cycles(web: WebServer, cycles: int, num_people: int, kills: int) -> Report:
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
    report = _report(invariants(project, tally.acknowledged), tally, took, None, None)
    report = replace(report, over_assigned=max(report.over_assigned, *over))
    assert report.judgements == cycles, report
    return report


def _report(
    kept: Invariants, tally: Tally, took: float, sql: Sql | None, cpu_seconds: float | None
) -> Report:
    for error in tally.errors[:10]:
        sys.stderr.write(f"{error}\n")
    num_requests = len(tally.next_seconds) + len(tally.judgement_seconds)
    return Report(
        requests_per_second=round(num_requests / took, 1),
        p95_next_ms=_p95_ms(tally.next_seconds),
        p95_judgement_ms=_p95_ms(tally.judgement_seconds),
        median_next_ms=round(1000 * statistics.median(tally.next_seconds), 1),
        median_judgement_ms=round(1000 * statistics.median(tally.judgement_seconds), 1),
        sql_next=sql.next if sql else None,
        sql_judgement=sql.judgement if sql else None,
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


def _line(name: str, side: str, report: Report) -> str:
    return (
        f"{name} {side}: {report.requests_per_second} requests/s, p95 next {report.p95_next_ms} ms, "
        f"judgement {report.p95_judgement_ms} ms, SQL {report.sql_next} and {report.sql_judgement}, "
        f"over-assigned {report.over_assigned}, duplicates {report.duplicates}, lost {report.lost}, "
        f"errors {report.errors}, CPU {report.web_cpu_ms} ms, load {report.load_average[0]}"
    )


def write_report(path: Path, cases: Sequence[Case]) -> None:
    """The contract's JSON."""
    report = {"device": f"{processor()}, all on the same cores", "commit": commit(), "cases": cases}
    path.write_text(json.dumps(report, indent=2) + "\n")
