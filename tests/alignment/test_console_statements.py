"""Every page of rounds and models asks the database little, however much history lies behind it."""

from pathlib import Path

import pytest
from django.test import Client

from accounts.models import Role
from accounts.services import user_create
from annotation.services import project_create
from tests.benchmarks.console_cases import MOST_STATEMENTS, answered, console_pages
from tests.benchmarks.console_history import make_history

pytestmark = pytest.mark.django_db


def test_every_console_page_answers_with_at_most_twenty_statements(client: Client, tmp_path: Path) -> None:
    history = make_history(project_create(slug="h", name="H"), tmp_path, num_rounds=20, num_metrics=200)
    client.force_login(user_create(username="lead", role=Role.ADMIN))
    client.get("/")
    found = {name: answered(client, path) for name, path in console_pages(history)}
    pages = {name: answer.statements for name, answer in found.items() if answer.status == 200}
    assert {"models/compare/ models", "models/compare/ rounds"} <= pages.keys(), found
    assert len(pages) >= 8, found
    assert not {name: count for name, count in pages.items() if count > MOST_STATEMENTS}, pages
    assert not {name: answer.status for name, answer in found.items() if answer.status >= 500}
