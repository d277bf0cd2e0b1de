"""Label Studio at the same work: a site of its own on the same PostgreSQL, in its own environment.

Comes in: its Python. Goes out: a web server with as many processes as ours, people who judge there, and
what its tables say afterwards. Nothing of it looks outside: no analytics, no error reports, no look for newer
versions. What it is asked is what its own page asks: the next task of a project, and to keep an annotation.
"""

import json
import subprocess
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg
from psycopg.conninfo import make_conninfo

from accord.env import program_environment
from deploy.local.child import Child
from deploy.local.postgres import USER, postgres_url
from deploy.local.programs import NUM_WEB
from tests.benchmarks.annotation_load_clients import Acknowledged, Json, Person, Tally, Wire
from tests.benchmarks.annotation_load_site import ADDRESS, Invariants, WebServer

PROGRAM = Path(__file__).with_name("label_studio_inside.py")
DATABASE = "label_studio"


class LabelStudio:
    """The peer; its tables are in a database of their own on our server."""

    def __init__(self, python: Path, folder: Path) -> None:
        """`folder` holds PostgreSQL's data, as tests.benchmarks.annotation_load lays it out."""
        self._python = python
        self._folder = folder / DATABASE
        self._folder.mkdir()
        self._url = postgres_url(folder / "postgres", database=DATABASE)
        found = "import importlib.util as u; print(u.find_spec('label_studio').submodule_search_locations[0])"
        asked = subprocess.run([python, "-c", found], capture_output=True, text=True, check=True)
        self._package = asked.stdout.splitlines()[-1]
        socket_folder = parse_qs(urlsplit(self._url).query)["host"][0]
        self._environment = {
            **program_environment(num_threads=1),
            "PYTHONPATH": self._package,
            "DJANGO_SETTINGS_MODULE": "core.settings.label_studio",
            "DJANGO_DB": "default",
            "POSTGRE_HOST": socket_folder,
            "POSTGRE_USER": USER,
            "POSTGRE_NAME": DATABASE,
            "BASE_DATA_DIR": str(self._folder),
            "SECRET_KEY": "for a benchmark on loopback",
            "DEBUG": "false",
            "COLLECT_ANALYTICS": "false",
            "LATEST_VERSION_CHECK": "false",
            "FEATURE_FLAGS_OFFLINE": "true",
            "SENTRY_DSN": "",
            "FRONTEND_SENTRY_DSN": "",
        }
        self._project = 0
        self._people: list[tuple[int, str]] = []
        self._overlap = 0
        self.web = WebServer(self._children, healthy="/health")

    def fill(self, *, num_people: int, num_tasks: int, overlap: int, data: dict[str, str]) -> None:
        """Its tables, a project of so many equal tasks, and people who have done nothing yet."""
        with psycopg.connect(make_conninfo(self._url, dbname="postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {DATABASE}")
        wanted, made = self._folder / "wanted.json", self._folder / "made.json"
        wanted.write_text(
            json.dumps({"num_people": num_people, "num_tasks": num_tasks, "overlap": overlap, "data": data})
        )
        with (self._folder / "fill.log").open("wb") as log:
            subprocess.run(
                [self._python, PROGRAM, "fill", wanted, made],
                env=self._environment,
                cwd=self._package,
                stdout=log,
                stderr=subprocess.STDOUT,
                check=True,
            )
        told = json.loads(made.read_text())
        self._project, self._overlap = told["project"], overlap
        self._people = [(number, token) for number, token in told["people"]]

    def people(self, count: int) -> tuple[list[Person], Tally]:
        """So many of those who have done nothing yet."""
        tally = Tally()
        chosen, self._people = self._people[:count], self._people[count:]
        assert len(chosen) == count, (count, len(chosen))
        return [
            LabelStudioPerson(
                number=number,
                token=token,
                slug=str(self._project),
                wire=Wire(ADDRESS, self.web.port),
                tally=tally,
            )
            for number, token in chosen
        ], tally

    def invariants(self, told: Sequence[Acknowledged]) -> Invariants:
        """What its table of annotations says against what the clients were told."""
        with psycopg.connect(self._url) as connection:
            rows = connection.execute(
                "SELECT id, task_id, completed_by_id FROM task_completion WHERE project_id = %s",
                [self._project],
            ).fetchall()
        kept = {row[0]: (row[1], row[2]) for row in rows}
        of_task = Counter(task for task, _ in kept.values())
        return Invariants(
            over_assigned=sum(count > self._overlap for count in of_task.values()),
            duplicates=len(kept) - len(set(kept.values())),
            lost=sum(kept.get(one.judgement) != (one.comparison, one.person) for one in told),
        )

    def _children(self, listener: int) -> list[Child]:
        return [
            Child(
                name=f"label-studio-{number}",
                command=[self._python, PROGRAM, "web", str(listener)],
                environment=self._environment,
                log=self._folder / f"web-{number}.log",
                folder=Path(self._package),
                inherited=(listener,),
            )
            for number in range(NUM_WEB)
        ]


class LabelStudioPerson(Person):
    """Does at Label Studio's API what a `Person` does at ours; a grade is a preference and a choice."""

    authorization = "Token"

    async def ask_next(self) -> Json | None:
        """The task handed out, or None."""
        began = time.perf_counter()
        status, body = await self._ask("GET", f"/api/projects/{self.slug}/next/")
        if status != 200:
            if status != 404:
                self.tally.errors.append(f"next: {status} {body[:200]!r}")
            return None
        self.tally.next_seconds.append(time.perf_counter() - began)
        return json.loads(body)

    async def judge(self, comparison: Json) -> None:
        """Say something about the task, until the server says that it has that."""
        preferred, strength = self._opinion()
        result: list[dict[str, Any]] = [  # Any: Label Studio's JSON
            {
                "from_name": "preferred",
                "to_name": "left,right",
                "type": "pairwise",
                "value": {"selected": preferred},
            },
            {
                "from_name": "strength",
                "to_name": "left",
                "type": "choices",
                "value": {"choices": [strength]},
            },
        ]
        began = time.perf_counter()
        path = f"/api/tasks/{comparison['id']}/annotations/?project={self.slug}"
        body = json.dumps({"result": result, "lead_time": 7}).encode()
        status, answer = await self._ask("POST", path, body)
        if status != 201:
            self.tally.errors.append(f"annotation: {status} {answer[:200]!r}")
            return
        self._acknowledge(began, json.loads(answer)["id"], comparison["id"], preferred, strength)
