"""Whoever keeps the model servers sleeps until a row changes, and asks nothing of the database meanwhile."""

import threading
from collections.abc import Iterator

import pytest
from django.db import connection
from pytest_django import DjangoAssertNumQueries

from alignment.deployment_notices import DeploymentNotices
from alignment.management.commands import serve_deployments
from alignment.management.commands.serve_deployments import look, rest
from alignment.model_servers import ModelServers
from alignment.programs import EngineConfig
from annotation.models import Project, Release
from registry.models import Checkpoint, Deployment

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def notices() -> Iterator[DeploymentNotices]:
    """Listening already."""
    made = DeploymentNotices()
    assert made.wait(0), "the first call says to look: nobody knows what happened before"
    yield made
    made.close()


def make_deployment() -> Deployment:
    checkpoint = Checkpoint.objects.create(
        name="one", kind=Checkpoint.Kind.DPO, path="/nowhere", content_hash="0" * 64
    )
    return Deployment.objects.create(name="one", checkpoint=checkpoint, served_name="one")


def test_a_change_of_any_kind_to_deployments_or_releases_wakes(notices: DeploymentNotices) -> None:
    assert not notices.wait(0.05)
    deployment = make_deployment()
    assert notices.wait(5)
    Deployment.objects.filter(pk=deployment.pk).update(state=Deployment.State.RETIRED)
    assert notices.wait(5)
    project = Project.objects.create(slug="helpful", name="Helpful")
    assert not notices.wait(0.05)
    Release.objects.create(project=project, number=1)
    assert notices.wait(5)


def test_a_lost_connection_is_made_again_and_says_to_look(notices: DeploymentNotices) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"
        )
    assert not notices.wait(5)
    assert notices.wait(5)
    assert not notices.wait(0.05)


def test_nothing_is_asked_while_nothing_changes(
    notices: DeploymentNotices,
    monkeypatch: pytest.MonkeyPatch,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    monkeypatch.setattr(serve_deployments, "LONGEST_REST_SECONDS", 1.5)
    servers = ModelServers(EngineConfig(num_threads=1, kv_cache_gib=0.1))
    assert look(servers)
    assert servers.settled
    with django_assert_num_queries(0):
        rest(servers, notices, threading.Event())
