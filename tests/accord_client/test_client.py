"""The Python client against a real server, and against connections that break."""

import hashlib
import json
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from pytest_django.live_server_helper import LiveServer

from accord.env import REPOSITORY
from accord_client import (
    AccordClient,
    Comparison,
    Conflict,
    ConnectionLost,
    ExportMismatch,
    Forbidden,
    Invalid,
    NotFound,
    Retrying,
    ServerError,
    Unauthorized,
)
from accounts.models import Role
from accounts.services import token_create
from annotation.importing.preferences import read_preferences
from annotation.models import Assignment, Judgement, Project
from annotation.models import Comparison as ComparisonRow
from annotation.services import preferences_import
from tests.accord_client.breaking_server import BREAK, answer, breaking_server
from tests.annotation.factories import make_annotator, make_comparisons, make_project
from tests.annotation.test_import_and_export import write_rows
from tests.annotation.test_importing import ACCORD

QUICK = Retrying(num_tries=4, first_pause=0.001)
ASKED = Comparison.model_validate(
    {
        **{"id": 7, "lease": uuid.UUID(int=7), "expires_at": datetime.now(UTC), "dialog": 1, "turn": 0},
        **{"context": [], "left": {"content": "a"}, "right": {"content": "b"}, "draft": {}},
    }
)
JUDGED = json.dumps(
    {
        **{
            "id": 1,
            "comparison": 7,
            "preferred": "left",
            "strength": "better",
            "edited": None,
            "reasons": [],
        },
        **{"comment": "", "seconds": None, "created": "2026-01-31T12:00:00Z"},
    }
).encode()


opened: list[AccordClient] = []


@pytest.fixture(autouse=True)
def _close() -> Iterator[None]:
    yield
    while opened:
        opened.pop().close()


def quick(url: str, token: str = "t") -> AccordClient:
    """A client that waits milliseconds; closed after the test."""
    opened.append(AccordClient(url, token, retrying=QUICK))
    return opened[-1]


def client_of(url: str, project: Project, role: Role = Role.ANNOTATOR) -> AccordClient:
    """A client of somebody new."""
    _, secret = token_create(make_annotator(project, uuid.uuid4().hex, role), name="test")
    return quick(url, secret)


@pytest.mark.django_db(transaction=True)
def test_a_program_judges_from_the_first_request_to_the_last(live_server: LiveServer) -> None:
    project = make_project()
    make_comparisons(project, 4)
    with client_of(live_server.url, project) as client:
        assert [each.slug for each in client.projects()] == ["helpful"]
        assert client.project("helpful").overlap == 1
        first = client.next("helpful")
        assert first is not None
        held = client.next("helpful")
        assert held is not None
        assert (held.id, held.lease) == (first.id, first.lease)
        client.draft(first, preferred="left", comment="so far")
        again = client.next("helpful")
        assert again is not None
        assert again.draft["comment"] == "so far"
        given: dict[str, Any] = {"preferred": "left", "strength": "better", "edited": "Best.", "seconds": 3.5}
        judged = client.judge(first, key="once", **given)
        assert client.judge(first, key="once", **given) == judged
        assert (judged.edited, judged.seconds) == ("Best.", 3.5)
        with pytest.raises(Conflict, match=r"409: .+\."):
            client.judge(first, preferred="left", strength="better")
        for leave in (client.skip, lambda each: client.flag(each, reason="broken")):
            left = client.next("helpful")
            assert left is not None
            leave(left)
        assert client.next("helpful") is not None
        with pytest.raises(NotFound, match="nowhere"):
            client.next("nowhere")
        with pytest.raises(Invalid, match="strength"):
            client.judge(first, preferred="left", strength="huge")  # type: ignore[arg-type]  # on purpose
    assert Judgement.objects.count() == 1
    states = dict(Assignment.objects.values_list("comparison_id", "state"))
    assert sorted(states.values()) == ["active", "flagged", "skipped", "submitted"]
    assert ComparisonRow.objects.get(state="full").pk == first.id


@pytest.mark.django_db(transaction=True)
def test_an_export_comes_whole_with_a_manifest_that_the_command_verifies(
    live_server: LiveServer, tmp_path: Path
) -> None:
    project = make_project()
    rows: list[Any] = [{**ACCORD, "id": f"r{number}", "round": number % 2} for number in range(20)]
    preferences_import(project, read_preferences(write_rows(tmp_path / "in.jsonl", rows), None))
    with client_of(live_server.url, project, Role.REVIEWER) as client:
        for name, count in (("all.jsonl.gz", 20), ("all.parquet", 20)):
            assert client.export("helpful", tmp_path / name).judgements == count
            call_command("verify_export", tmp_path / name)
        chosen = {"round": [1], "strength": ["slightly_better"], "edited": False}
        manifest = client.export("helpful", tmp_path / "odd.jsonl", format="trl", chosen=chosen)
        assert (manifest.rows, manifest.by_round) == (10, {"1": 10})
        assert client.manifest("helpful", format="trl", **chosen).files[0].sha256 == manifest.files[0].sha256
        with pytest.raises(Invalid, match="'from'"):
            client.export("helpful", tmp_path / "odd.jsonl", chosen={"from": "yesterday"})
        with pytest.raises(ValueError, match="must end in"):
            client.export("helpful", tmp_path / "odd.csv")
    with client_of(live_server.url, project) as client, pytest.raises(Forbidden):
        client.export("helpful", tmp_path / "none.jsonl")
    with pytest.raises(Unauthorized):
        quick(live_server.url, "wrong").projects()
    left = {path.name for path in tmp_path.iterdir()}
    assert not [name for name in left if "part" in name or "none" in name]


def test_a_broken_connection_is_tried_again_with_the_same_key() -> None:
    with breaking_server([BREAK, answer("502 Bad Gateway"), answer("201 Created", JUDGED)]) as server:
        judged = quick(server.url).judge(ASKED, preferred="left", strength="better")
    assert judged.id == 1
    keys = server.headers("Idempotency-Key")
    assert len(keys) == 3
    assert len(set(keys)) == 1
    assert server.headers("Authorization") == ["Bearer t"] * 3


def test_what_is_not_safe_is_not_asked_twice() -> None:
    with breaking_server([BREAK, answer("204 No Content", b"")]) as server:
        client = quick(server.url)
        with pytest.raises(ConnectionLost):
            client.skip(ASKED)
        assert len(server.requests) == 1
    with breaking_server([answer("503 Service Unavailable")] * 2) as server:
        with pytest.raises(ServerError):
            quick(server.url).flag(ASKED, reason="other")
        assert len(server.requests) == 1
    with breaking_server([answer("429 Too Many Requests"), answer("204 No Content", b"")]) as server:
        quick(server.url).skip(ASKED)
    assert len(server.requests) == 2


def test_a_server_that_stays_away_is_an_error_in_the_end() -> None:
    away = answer("503 Service Unavailable", b'{"detail": "Back at noon."}')
    with breaking_server([away] * 4) as server, pytest.raises(ServerError, match=r"503: Back at noon\."):
        quick(server.url).projects()
    assert len(server.requests) == 4
    with pytest.raises(ConnectionLost, match="ConnectError"):
        quick(server.url).projects()


@pytest.mark.parametrize("as_time", [False, True])
def test_the_server_says_how_long_to_wait(as_time: bool) -> None:
    wait = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True) if as_time else "1"
    busy = answer("429 Too Many Requests", b"{}", f"Retry-After: {wait}")
    started = time.monotonic()
    with breaking_server([busy, answer("200 OK", b"[]")]) as server:
        assert quick(server.url).projects() == []
    assert time.monotonic() - started > 0.7


def test_a_download_that_breaks_off_starts_again(tmp_path: Path) -> None:
    data = b'{"id": "a"}\n' * 1000
    broken = answer("200 OK", data[:500], length=len(data))
    with breaking_server([broken, BREAK, answer("200 OK", data), answer("200 OK", manifest(data))]) as server:
        quick(server.url).export("p", tmp_path / "out.jsonl")
    assert (tmp_path / "out.jsonl").read_bytes() == data


def test_a_file_that_is_not_what_its_manifest_says_is_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text("what was there")
    file, other = answer("200 OK", b"{}\n"), answer("200 OK", manifest(b"something else"))
    with (
        breaking_server([file, other] * 3) as server,
        pytest.raises(ExportMismatch, match="try again"),
    ):
        quick(server.url).export("p", path)
    assert path.read_text() == "what was there"
    assert list(tmp_path.iterdir()) == [path]
    good = answer("200 OK", manifest(b"{}\n"))
    with breaking_server([file, other, file, good]) as server:  # Somebody judged in between.
        quick(server.url).export("p", path)
    assert path.read_text() == "{}\n"


def manifest(data: bytes) -> bytes:
    """A manifest of a file with these bytes."""
    file = {"name": "x.jsonl", "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    about = {"accord": "0", "schema_version": 1, "project": "p", "format": "accord", "encoding": "jsonl"}
    counts = {"filter": {}, "judgements": 1, "rows": 1, "by_round": {}, "by_domain": {}, "by_strength": {}}
    return json.dumps({**about, **counts, "files": [file]}).encode()


@pytest.mark.django_db(transaction=True)
def test_the_example_of_the_documentation_runs(live_server: LiveServer, tmp_path: Path) -> None:
    page = (REPOSITORY / "docs" / "client.md").read_text()
    [example] = re.findall(r"```python\n(.*?)```", page, re.S)
    project = make_project()
    make_comparisons(project, 2)
    _, secret = token_create(make_annotator(project, role=Role.REVIEWER), name="test")
    example = example.replace("http://127.0.0.1:8000", live_server.url).replace("accord_…", secret)
    script = tmp_path / "example.py"
    script.write_text(example)
    command = [sys.executable, "-P", str(script)]
    environment = {"PYTHONPATH": str(REPOSITORY / "platform")}
    ran = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert "2 judgements" in ran.stdout
    assert Judgement.objects.count() == 2
    assert (tmp_path / "strong.parquet").exists()
