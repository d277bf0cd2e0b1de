"""The site under load: its own web processes on its own PostgreSQL, filled in bulk, killed at will.

Comes in: a folder. Goes out: where it answers, and what its database says afterwards.
"""

import re
import signal
import socket
import time
import urllib.request
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import psutil
from django.db import connection, models

from accounts.models import ApiToken, Role, User
from accounts.rows import fetch_one
from accounts.services import token_build
from annotation.models import Membership, Project, Prompt, Response
from annotation.services import comparison_create, project_create
from deploy.local.child import Child
from deploy.local.programs import web_children
from tests.benchmarks.annotation_load_clients import Acknowledged

ADDRESS = "127.0.0.1"
SECONDS_TO_START = 120.0
QUESTION = "How do I keep the order in which keys were added to a dictionary, and does it cost anything? " * 2
ANSWER = (
    "A dictionary keeps the order in which its keys were added, since it stores entries in a dense array "
    "beside a sparse table of places. That costs nothing that you would notice: a lookup is one hash and, "
    "most of the time, one comparison. "
)
STATEMENT = re.compile(r"LOG:  (?:statement|execute [^:]*):\s+(\w+)")
TRANSACTION_CONTROL = {"BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE"}


class WebServer:
    """Web processes that answer on one socket of their own."""

    def __init__(self, children: Callable[[int], list[Child]], *, healthy: str) -> None:
        """`children` makes the processes for the socket's descriptor; `healthy` is a page that answers."""
        self._listener = socket.create_server((ADDRESS, 0), backlog=2048)
        self._healthy = healthy
        self.port: int = self._listener.getsockname()[1]
        self.children = children(self._listener.fileno())

    def start(self) -> None:
        """Start, and wait until it answers."""
        for child in self.children:
            child.start()
        self.wait()

    def wait(self) -> None:
        """Until it answers."""
        with urllib.request.urlopen(f"http://{ADDRESS}:{self.port}{self._healthy}", timeout=SECONDS_TO_START):
            pass

    def kill(self) -> None:
        """End all processes with -9 and start others at once: open requests get no answer."""
        for child in self.children:
            assert child.process is not None
            child.process.send_signal(signal.SIGKILL)
            child.process.wait()
            child.start()

    def cpu_seconds(self) -> float:
        """What the processes that run have used until now."""
        times = [psutil.Process(child.pid).cpu_times() for child in self.children if child.pid]
        return sum(time.user + time.system for time in times)

    def stop(self) -> None:
        """Ask them to go, and wait."""
        for child in self.children:
            child.stop_ask()
        for child in self.children:
            child.stop_wait(10)
        self._listener.close()


def accord_server(folder: Path, environment: Mapping[str, str]) -> WebServer:
    """The web processes of the local stack, as its supervisor starts them."""
    return WebServer(
        lambda listener: web_children(listener=listener, var=folder, environment=environment),
        healthy="/login/",
    )


def fill_project(slug: str, *, num_comparisons: int, overlap: int) -> Project:
    """A project with so many open comparisons, each of a prompt and a dialog of its own.

    One is made by the services; the others are copies of its rows, made by the database itself.
    """
    project = project_create(slug=slug, name=f"Load {slug}", overlap=overlap)
    prompt = Prompt.objects.create(
        project=project, external_id="0", context=[{"role": "user", "content": QUESTION}]
    )
    left, right = (
        Response.objects.create(project=project, content=f"{start} {ANSWER * 5}", model_name=start)
        for start in ("First", "Second")
    )
    one = comparison_create(prompt=prompt, left=left, right=right, round_number=project.current_round)
    last = num_comparisons - 1
    dialog_id = f"accord_spaced({one.dialog_id} / 16 + n)"
    sides = {"left_id": f"{right.pk} + 2 * n - 1", "right_id": f"{right.pk} + 2 * n"}
    _copy(prompt, last, {"id": f"{prompt.pk} + n", "external_id": "n::text"})
    _copy(one.dialog, last, {"id": dialog_id, "prompt_id": f"{prompt.pk} + n"})
    _copy(left, last, {"id": sides["left_id"]})
    _copy(right, last, {"id": sides["right_id"]})
    _copy(one, last, {"id": f"accord_spaced({one.pk} / 16 + n)", "dialog_id": dialog_id, **sides})
    with connection.cursor() as cursor:
        for table in ("annotation_prompt", "annotation_response"):
            cursor.execute(
                f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))"
            )
        for table in ("annotation_dialog", "annotation_comparison"):  # their ids leave gaps
            cursor.execute(f"SELECT setval('{table}_place', (SELECT max(id) / 16 FROM {table}))")
        cursor.execute("ANALYZE")
    return project


def make_people(project: Project, count: int) -> list[tuple[int, str]]:
    """So many annotators of the project, with a token each: (id, secret)."""
    people = User.objects.bulk_create([User(username=uuid.uuid4().hex, password="!") for _ in range(count)])
    Membership.objects.bulk_create(
        [Membership(project=project, user=user, role=Role.ANNOTATOR) for user in people]
    )
    built = [token_build(user, name="load") for user in people]
    ApiToken.objects.bulk_create([token for token, _ in built])
    return [(user.pk, secret) for user, (_, secret) in zip(people, built, strict=True)]


@dataclass(frozen=True, kw_only=True)
class Invariants:
    """What must never be: all zero."""

    over_assigned: int
    """Comparisons with more judgements, or places taken, than they need, or that count themselves wrong."""
    duplicates: int
    """Judgements beyond one for a person and comparison, or that nobody was ever told of."""
    lost: int
    """Judgements that were acknowledged and are not there, or say something else."""


def invariants(project: Project, acknowledged: Sequence[Acknowledged]) -> Invariants:
    """Hold the database against what the clients were told."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT j.id, j.comparison_id, j.annotator_id, j.preferred, j.strength "
            "FROM annotation_judgement j JOIN annotation_comparison c ON c.id = j.comparison_id "
            "WHERE c.project_id = %s",
            [project.pk],
        )
        kept = {row[0]: row[1:] for row in cursor.fetchall()}
    told = {one.judgement: one for one in acknowledged}
    lost = sum(
        kept.get(one.judgement) != (one.comparison, one.person, one.preferred, one.strength)
        for one in told.values()
    )
    untold = sum(judgement not in told for judgement in kept)
    doubled = len(kept) - len({row[:2] for row in kept.values()})
    told_twice = len(acknowledged) - len(told)
    return Invariants(
        over_assigned=num_over_assigned(project), duplicates=untold + doubled + told_twice, lost=lost
    )


def num_over_assigned(project: Project) -> int:
    """Comparisons with more taken places than they need, or whose counter is not their judgements."""
    row = fetch_one(
        """
        SELECT count(*) FROM annotation_comparison c
        LEFT JOIN (SELECT comparison_id, count(*) AS num FROM annotation_judgement GROUP BY 1) j
            ON j.comparison_id = c.id
        LEFT JOIN (
            SELECT comparison_id, count(*) AS num FROM annotation_assignment
            WHERE state IN ('active', 'reserved') AND expires_at > now() GROUP BY 1
        ) a ON a.comparison_id = c.id
        WHERE c.project_id = %(project)s AND (
            COALESCE(j.num, 0) <> c.num_judgements
            OR COALESCE(j.num, 0) + COALESCE(a.num, 0) > c.needed
            OR (c.state = 'full') <> (c.num_judgements = c.needed)
        )
        """,
        {"project": project.pk},
    )
    assert row is not None
    return int(row[0])


class StatementLog:
    """PostgreSQL's own log, read for the statements of one request at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def on(self, is_on: bool) -> None:
        """Let the server log every statement, or none."""
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER SYSTEM SET log_statement = '{'all' if is_on else 'none'}'")
            cursor.execute("SELECT pg_reload_conf()")
        time.sleep(0.5)

    def place(self) -> int:
        """How much has been logged until now."""
        return self._path.stat().st_size

    def count_since(self, place: int) -> int:
        """Statements since `place`, without what begins and ends transactions."""
        with self._path.open("rb") as log:
            log.seek(place)
            words = STATEMENT.findall(log.read().decode(errors="replace"))
        return sum(word.upper() not in TRANSACTION_CONTROL for word in words)


def _copy(row: models.Model, count: int, replaced: Mapping[str, str]) -> None:
    """Copies number 1 to `count` of a row, with SQL of `n` in place of some of its columns."""
    fields = [field for field in row._meta.concrete_fields if not field.generated]
    columns = ", ".join(f'"{field.column}"' for field in fields)
    values = ", ".join(replaced.get(str(field.column), f't."{field.column}"') for field in fields)
    table = row._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({columns}) SELECT {values} FROM {table} t, "
            f"generate_series(1, %s) AS n WHERE t.id = %s",
            [count, row.pk],
        )


def load_averages() -> list[float]:
    """Of the last 1, 5 and 15 minutes: what else the cores had to do."""
    return [float(value) for value in islice(Path("/proc/loadavg").read_text().split(), 3)]
