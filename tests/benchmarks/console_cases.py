"""Asks for every page of rounds and models, counts its statements and takes its time.

Run by `tests.benchmarks.console` on servers of its own.
"""

import gc
import json
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern, reverse

from accounts.models import Role
from accounts.services import user_create
from alignment.models import Round, Stage
from alignment.urls import urlpatterns
from tests.benchmarks.annotation_load_site import fill_project
from tests.benchmarks.console import argument_parser
from tests.benchmarks.console_history import History, make_history

NUM_REQUESTS = 7
MOST_MS, MOST_STATEMENTS = 200.0, 20
PAGES = re.compile(r"(rounds|stages|programs|models|checkpoints|deployments)/")


def console_pages(history: History) -> Iterator[tuple[str, str]]:
    """(route, path) of every page of rounds, programs and models that leads to something of the history."""
    objects: dict[str, list[tuple[str, object]]] = {
        "rounds": [("running", history.running.pk), ("finished", history.finished.pk)],
        "programs": [("", history.program.pk)],
        "models": [("", history.checkpoint.pk)],
        "stages": [("", Stage.objects.get(round=history.finished, name=Stage.Name.GATE).pk)],
    }
    for pattern in urlpatterns:
        if not isinstance(pattern, URLPattern):
            continue
        route = str(pattern.pattern)
        match = PAGES.match(route)
        if match is None:
            continue
        for name, pk in objects.get(match[1], []) if "<" in route else [("", 0)]:
            path = "/" + re.sub(r"<int:\w+>", str(pk), route)
            if "<" not in path:
                yield f"{route} {name}".strip(), path
    compare = reverse("models-compare")
    yield "models/compare/ models", f"{compare}?a={history.checkpoint.name}&b={history.before.name}"
    rounds = history.finished, Round.objects.get(project=history.project, number=history.finished.number - 1)
    yield "models/compare/ rounds", f"{compare}?round_a={rounds[0].pk}&round_b={rounds[1].pk}"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What one request cost."""

    status: int
    statements: int
    milliseconds: float
    cpu_milliseconds: float
    """Of this process."""
    sql_milliseconds: float
    """Waiting for the database."""


def answered(client: Client, path: str) -> Answer:
    """Ask for a page."""
    began, worked = time.perf_counter(), time.process_time()
    with CaptureQueriesContext(connection) as statements:
        response = client.get(path)
        response.getvalue() if response.streaming else response.content
    took, used = time.perf_counter() - began, time.process_time() - worked
    return Answer(
        status=response.status_code,
        statements=len(statements),
        milliseconds=1000 * took,
        cpu_milliseconds=1000 * used,
        sql_milliseconds=1000 * sum(float(statement["time"]) for statement in statements),
    )


def main() -> int:
    """Measure, print, write; 1 where a page is over its limits."""
    # It imports torch, for which the test of the statements would have to wait.
    from tests.benchmarks.measuring import commit, processor

    asked = argument_parser().parse_args()
    settings.ALLOWED_HOSTS = ["testserver"]
    project = fill_project("history", num_comparisons=asked.comparisons, overlap=1)
    with tempfile.TemporaryDirectory() as folder:
        history = make_history(project, Path(folder), num_rounds=asked.rounds, num_metrics=asked.metrics)
        client = Client()
        client.force_login(user_create(username="lead", role=Role.ADMIN))
        gc.collect()
        gc.freeze()  # as the web server does when it has started
        pages = [*console_pages(history), ("home", "/"), *_reports(project.slug)]
        cases = [case for name, path in pages if (case := _case(client, name, path)) is not None]
    asked.json.write_text(json.dumps({"device": processor(), "commit": commit(), "cases": cases}, indent=2))
    return 1 if any(case["over"] for case in cases) else 0


def _reports(slug: str) -> list[tuple[str, str]]:
    return [
        (f"project {name or 'start'}", f"/projects/{slug}/{name}") for name in ("", "reports/", "progress/")
    ]


def _case(client: Client, name: str, path: str) -> dict[str, Any] | None:  # Any: JSON
    first = answered(client, path)  # also warms templates
    if first.status in (404, 405):
        return None
    found = [answered(client, path) for _ in range(NUM_REQUESTS)]
    ours = {
        "median_ms": round(statistics.median(each.milliseconds for each in found), 1),
        "most_ms": round(max(each.milliseconds for each in found), 1),
        "cpu_ms": round(statistics.median(each.cpu_milliseconds for each in found), 1),
        "sql_ms": round(statistics.median(each.sql_milliseconds for each in found), 1),
        "statements": found[-1].statements,
        "status": first.status,
    }
    over = ours["median_ms"] > MOST_MS or ours["statements"] > MOST_STATEMENTS or first.status >= 400
    times = f"{ours['median_ms']:7.1f} ms, {ours['cpu_ms']:6.1f} of CPU, {ours['sql_ms']:6.1f} of SQL"
    sys.stdout.write(f"{name:36} {times}, {ours['statements']:3} statements{' OVER' * over}\n")
    sys.stdout.flush()
    return {"name": name, "ours": ours, "over": over}
