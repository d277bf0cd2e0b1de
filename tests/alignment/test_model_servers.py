"""Releases go live past the canary, whole or not at all, with real server processes behind the real gate."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from django.conf import settings

from accounts.errors import Conflict, Invalid
from alignment.deploying import models_deploy, models_roll_back, server_register
from alignment.model_servers import ModelServers
from alignment.programs import EngineConfig
from alignment.server_processes import servers_folder, servers_own
from annotation.asking import chat_client
from annotation.models import Project, Release
from annotation.pairing import live_deployments
from annotation.records import Message
from pretrain import keeper
from registry.client import ModelReplaced
from registry.models import Checkpoint, Deployment
from tests.alignment.stand_in_server import make_model
from webhooks.models import Delivery
from webhooks.services import endpoint_create

MODULE = "tests.alignment.stand_in_server"
GIVE_UP_SECONDS = 60
CONTEXT = [[Message(role="user", content="what ?")]]


@pytest.fixture
def servers() -> Iterator[ModelServers]:
    """Of stand-ins; all are stopped."""
    made = ModelServers(EngineConfig(num_threads=1, kv_cache_gib=0.1), module=MODULE)
    yield made
    made.stop_all()


@pytest.fixture
def project() -> Project:
    return Project.objects.create(slug="helpful", name="Helpful")


def make_checkpoint(folder: Path, name: str, **values: object) -> Checkpoint:
    """A registered stand-in's checkpoint that says its own name."""
    path = make_model(folder / name, name, **{"logprob": -len(name) - ord(name[0]) / 64, **values})  # type: ignore[arg-type]
    return Checkpoint.objects.create(
        name=name, kind=Checkpoint.Kind.DPO, path=str(path), content_hash=name.ljust(64, "0")
    )


def until(servers: ModelServers, happened: Callable[[], bool]) -> None:
    """Reconcile until it has."""
    give_up = time.monotonic() + GIVE_UP_SECONDS
    while not happened():
        assert time.monotonic() < give_up, list(Deployment.objects.values_list("name", "state", "error"))
        servers.reconcile()
        time.sleep(0.05)


def over(release: Release) -> bool:
    """Whether it waits no more."""
    release.refresh_from_db()
    return release.state != Release.State.PENDING


def said(project: Project) -> list[str]:
    """What the project's live models answer, through the client that people's answers come through."""
    _, live = live_deployments(project)
    return [chat_client(each).answer(CONTEXT[0], max_tokens=4).content for each in live]


def states(*names: str) -> list[str]:
    """Of the newest deployments of these names."""
    return [
        Deployment.objects.filter(name=name).order_by("-pk").values_list("state", flat=True)[0]
        for name in names
    ]


def check_servers_of_others(one: Checkpoint, two: Checkpoint, address: str) -> None:
    """Somebody else's server is entered when its canary agrees, here the one that holds `one`."""
    theirs = server_register(checkpoint=one, base_url=address, served_name="one", name="theirs")
    assert (theirs.state, theirs.managed, theirs.canary_difference) == ("live", False, 0.0)
    with pytest.raises(Invalid, match="holds other weights"):
        server_register(checkpoint=two, base_url=address, served_name="one", name="wrong")
    unproved = server_register(checkpoint=two, base_url="http://127.0.0.1:9", served_name="x", name="away")
    assert unproved.canary_difference is None


@pytest.mark.django_db
def test_a_pair_goes_live_together_moves_together_and_comes_back(
    tmp_path: Path, servers: ModelServers, project: Project
) -> None:
    endpoint_create(
        url="https://example.org/hook", events=["deploy.finished", "deploy.rolled_back"], actor=None
    )
    one, two, six, ten = (make_checkpoint(tmp_path, name) for name in ("one", "two", "six", "ten"))
    first = models_deploy(project, [one, two])
    assert (first.state, list(project.deployments.all())) == ("pending", [])
    until(servers, lambda: over(first))

    assert (first.state, said(project)) == ("live", ["one", "two"])
    assert all(each.canary_difference == 0.0 for each in first.deployments.all())
    old = list(first.deployments.select_related("checkpoint").order_by("pk"))

    second = models_deploy(project, [six, ten])
    servers.reconcile()
    assert over(second), "weights of the same architecture move without a start"
    assert said(project) == ["six", "ten"]
    assert [each.base_url for each in second.deployments.order_by("pk")] == [each.base_url for each in old]
    assert states("one", "two") == ["retired", "retired"]
    with pytest.raises(ModelReplaced):
        chat_client(old[0]).answer(CONTEXT[0], max_tokens=4)

    back = models_roll_back(project)
    servers.reconcile()
    assert over(back)
    assert (said(project), back.restores, back.replaces) == (["one", "two"], first, second)
    assert list(Delivery.objects.order_by("pk").values_list("event", flat=True)) == [
        "deploy.finished",
        "deploy.finished",
        "deploy.rolled_back",
    ]
    check_servers_of_others(one, two, f"{back.deployments.order_by('pk')[0].base_url}/v1/")
    with pytest.raises(Conflict, match="is what answers now"):
        models_roll_back(project, to=back.number)
    with pytest.raises(Invalid, match="no release 9"):
        models_roll_back(project, to=9)


@pytest.mark.django_db
def test_a_model_that_is_not_what_it_should_be_leaves_the_old_pair_answering(
    tmp_path: Path, servers: ModelServers, project: Project
) -> None:
    one, two, six = (make_checkpoint(tmp_path, name) for name in ("one", "two", "six"))
    bad = make_checkpoint(tmp_path, "bad", canary=-9.0)
    endpoint_create(url="https://example.org/hook", events=["deploy.failed"], actor=None)
    first = models_deploy(project, [one, two])
    until(servers, lambda: over(first))
    failed = models_deploy(project, [six, bad])
    servers.reconcile()

    assert said(project) == ["one", "two"], "the one that moved was put back with the one that did not"
    until(servers, lambda: over(failed))

    assert (failed.state, said(project)) == ("failed", ["one", "two"])
    assert "holds other weights" in failed.error
    assert states("one", "two", "six", "bad") == ["live", "live", "retired", "failed"]
    assert Delivery.objects.get().event == "deploy.failed"
    project.refresh_from_db()
    assert project.release == first


@pytest.mark.django_db
def test_weights_that_do_not_move_are_started_beside_and_a_dead_server_comes_back_proved(
    tmp_path: Path, servers: ModelServers, project: Project
) -> None:
    one, two = (make_checkpoint(tmp_path, name) for name in ("one", "two"))
    tied = make_checkpoint(tmp_path, "tied", moves=False)
    first = models_deploy(project, [one, two])
    until(servers, lambda: over(first))
    second = models_deploy(project, [one, tied])
    until(servers, lambda: over(second))

    assert (second.state, said(project)) == ("live", ["one", "tied"])
    assert states("one", "two", "tied") == ["live", "retired", "live"]

    dead = Deployment.objects.get(name="one", state="live")
    port = int(dead.base_url.rpartition(":")[2])
    for process in owned_servers():
        if any(each.laddr.port == port for each in process.net_connections() if each.laddr):
            process.kill()
            process.wait(10)
    until(servers, lambda: states("one") == ["starting"])
    until(servers, lambda: states("one") == ["live"])
    assert said(project) == ["one", "tied"]


@pytest.mark.django_db(transaction=True)
def test_killed_in_the_middle_of_an_exchange_it_is_right_afterwards(
    tmp_path: Path, project: Project, process_environment: dict[str, str]
) -> None:
    one, two, six = (make_checkpoint(tmp_path, name) for name in ("one", "two", "six"))
    slow = make_checkpoint(tmp_path, "slow", load_seconds=1.5)
    first = models_deploy(project, [one, two])
    owner = serve(process_environment)
    try:
        wait_for(lambda: over(first))
        assert (first.state, said(project)) == ("live", ["one", "two"])
        with pytest.raises(Conflict, match="Another serve_deployments"):
            servers_own()
        second = models_deploy(project, [six, slow])
        wait_for(lambda: shut(first))
        os.kill(owner.pid, signal.SIGKILL)
        owner.wait()

        second.refresh_from_db()
        assert second.state == "pending"
        assert states("one", "two") == ["live", "live"]
        wait_for(lambda: not owned_servers())

        owner = serve(process_environment)
        wait_for(lambda: over(second))
        assert (second.state, said(project)) == ("live", ["six", "slow"])
        assert states("one", "two") == ["retired", "retired"]
        assert len(owned_servers()) == 2
    finally:
        owner.terminate()
        owner.wait(30)
    assert not owned_servers()


def shut(release: Release) -> bool:
    """Whether a server of the release answers nobody."""
    body = {"prompt": [1], "model": "x"}
    return any(
        httpx.post(f"{each.base_url}/v1/completions", json=body).status_code == 503
        for each in release.deployments.all()
    )


def serve(environment: dict[str, str]) -> "subprocess.Popen[bytes]":
    """`manage.py serve_deployments` with stand-ins, on the test's database."""
    command = [sys.executable, "manage.py", "serve_deployments", "--module", MODULE]
    return subprocess.Popen(command, cwd=settings.ACCORD_REPOSITORY, env=environment)


def wait_for(happened: Callable[[], bool]) -> None:
    """Look until it has."""
    give_up = time.monotonic() + GIVE_UP_SECONDS
    while not happened():
        assert time.monotonic() < give_up, list(Deployment.objects.values_list("name", "state", "error"))
        time.sleep(0.05)


def owned_servers() -> list[psutil.Process]:
    """Processes of servers on this machine, without their keepers."""
    root = f"{servers_folder()}/"
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if any(part.startswith(root) for part in process.info["cmdline"] or [])
        and keeper.__file__ not in process.info["cmdline"]
    ]
