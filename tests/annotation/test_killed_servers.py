"""Real clients and real web processes that are killed with -9 while connections break: nothing is lost,
doubled or handed out too often. `tests.benchmarks.annotation_load` does the same at length.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from accounts.models import AuditEntry
from annotation.models import Judgement
from tests.benchmarks.annotation_load_clients import people_at_work, run, work_through
from tests.benchmarks.annotation_load_site import (
    ADDRESS,
    Invariants,
    WebServer,
    accord_server,
    fill_project,
    invariants,
    make_people,
)

pytestmark = pytest.mark.django_db(transaction=True)

NUM_PEOPLE = 12
NUM_COMPARISONS = 60
OVERLAP = 2


@pytest.fixture
def web(process_environment: dict[str, str], tmp_path: Path) -> Iterator[WebServer]:
    """The web processes of the local stack, on the test database."""
    server = accord_server(tmp_path, process_environment)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def test_killed_servers_and_broken_connections_neither_lose_nor_double_a_judgement(web: WebServer) -> None:
    project = fill_project("killed", num_comparisons=NUM_COMPARISONS, overlap=OVERLAP)
    cycles = NUM_COMPARISONS * OVERLAP
    tokens = make_people(project, NUM_PEOPLE)
    people, tally = people_at_work(ADDRESS, web.port, project.slug, tokens, drop_share=0.1)
    run(people, work_through(people, cycles, kills=1, kill=web.kill))
    assert tally.errors == []
    assert tally.drops > 0
    assert tally.repeats > 0
    assert invariants(project, tally.acknowledged) == Invariants(over_assigned=0, duplicates=0, lost=0)
    assert len(tally.acknowledged) == Judgement.objects.count() == cycles
    assert AuditEntry.objects.filter(action="judgement.submit").count() == cycles
