"""What Prometheus reads: for admins alone, with every number that alerts and the board ask for."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families
from pytest_django.fixtures import Settings

from accounts.models import Role
from accounts.services import token_create, user_create
from alignment.models import Program
from deploy.monitoring.board import PANELS, board
from registry.models import Deployment
from tests.alignment.factories import make_program
from tests.annotation.factories import Annotator, make_annotator, make_comparison, make_project

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("broker")]

REPOSITORY = Path(__file__).parents[2]
ALERTS = REPOSITORY / "deploy" / "monitoring" / "alerts.yml"
NAME = re.compile(r"accord_[a-z_]+")


def asked(client: Client) -> dict[str, dict[tuple[str, ...], float]]:
    """Samples by name and labels."""
    admin = user_create(username="prometheus", role=Role.ADMIN)
    _, secret = token_create(admin, name="scrape")
    answer = client.get("/api/v1/metrics", headers={"Authorization": f"Bearer {secret}"})
    assert answer.status_code == 200, answer.content
    assert answer["Content-Type"].startswith("text/plain")
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(answer.content.decode()):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
    return found


def make_running(folder: Path) -> Program:
    """A program that runs and uses something."""
    soon = timezone.now() + timedelta(minutes=1)
    values = {"lease_expires_at": soon, "progressed_at": timezone.now()}
    program = make_program(folder, "finish", state=Program.State.RUNNING, values=values)
    used = '{"time": 1, "cpu": 1.5, "memory": 2048, "gpu": 0.5, "gpu_memory": 1024}\n'
    (folder / "usage.jsonl").write_text(used)
    return program


def test_the_numbers_are_those_of_the_site(client: Client) -> None:
    project = make_project()
    for question in "ab":
        make_comparison(project, question)
    annotator = Annotator(make_annotator(project))
    annotator.judge(annotator.next(project), "once")
    client.get("/healthz")
    found = asked(client)
    assert found["accord_comparisons"][("helpful", "open")] == 1
    assert found["accord_judgements"][("helpful",)] == 1
    assert found["accord_people_active"][()] == 1
    assert 0 <= found["accord_last_judgement_seconds"][()] < 600
    assert set(found["accord_deployments"]) == {(state,) for state in Deployment.State.values}
    assert found["accord_request_seconds_count"][("GET", "/healthz", "200")] >= 1
    assert found["accord_disk_free_bytes"][()] <= found["accord_disk_size_bytes"][()]


def test_a_running_program_tells_its_lease_and_what_it_uses(client: Client, tmp_path: Path) -> None:
    program = make_running(tmp_path)
    found = asked(client)
    assert found["accord_programs"][("running",)] == 1
    (label,) = found["accord_program_cpu_cores"]
    assert label[0] == str(program.pk)
    assert found["accord_program_cpu_cores"][label] == 1.5
    assert found["accord_program_gpu_memory_bytes"][label] == 1024
    assert 0 < found["accord_program_lease_seconds"][label] <= 60


def test_alerts_and_board_ask_for_numbers_that_there_are(client: Client, tmp_path: Path) -> None:
    make_running(tmp_path)
    project = make_project()
    make_comparison(project, "a")
    annotator = Annotator(make_annotator(project))
    annotator.judge(annotator.next(project), "once")
    wanted = set(NAME.findall(ALERTS.read_text()))
    for panel in PANELS:
        wanted |= {name for query in panel.queries.values() for name in NAME.findall(query)}
    client.get("/healthz")
    assert wanted <= set(asked(client))
    assert len(board()["panels"]) == len(PANELS)


def test_every_alert_has_an_entry_in_the_runbook() -> None:
    alerts = re.findall(r"alert: (\w+)", ALERTS.read_text())
    headings = re.findall(r"^## (\w+)$", (REPOSITORY / "docs" / "runbook.md").read_text(), re.MULTILINE)
    assert alerts == headings
    for alert in alerts:
        assert f"runbook: docs/runbook.md#{alert.lower()}\n" in ALERTS.read_text()


def test_probes_are_answered_by_any_name_and_without_tls(client: Client, settings: Settings) -> None:
    settings.SECURE_SSL_REDIRECT = True
    for path in ("/livez", "/readyz"):
        assert client.get(path, headers={"Host": "10.1.2.3:8000"}).status_code == 200
    assert client.get("/healthz").status_code == 301


def test_a_site_with_migrations_to_apply_is_not_ready(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert client.get("/readyz").json() == {
        "ready": True,
        "database": "ok",
        "broker": "ok",
        "migrations": "ok",
    }
    monkeypatch.setattr("web.health.MigrationExecutor.migration_plan", lambda self, targets: [1])
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["migrations"]) == (503, "1 to apply: run manage.py migrate")
