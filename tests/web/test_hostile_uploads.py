"""Files made to do harm, sent through the page as a browser would: each is told in a sentence."""

import asyncio
import gzip
import json
import struct
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django.fixtures import Settings

from accord.handler import ThreadedHandler
from accounts.models import Role
from annotation.models import ImportJob, Judgement, Project
from annotation.services.import_jobs import import_run
from tests.annotation.factories import make_annotator, make_project
from tests.annotation.test_importing import ACCORD

pytestmark = pytest.mark.django_db

URL = "/projects/helpful/data/"
ROW = json.dumps(ACCORD).encode()
CLAIM = 2**30
NAMES = ["../../../etc/passwd", "<script>alert(1)</script>.jsonl", "x" * 5000 + ".jsonl", "‮lnosj.exe", "a\0b"]


@pytest.fixture
def project() -> Project:
    return make_project()


@pytest.fixture
def admin(project: Project) -> Client:
    client = Client()
    client.force_login(make_annotator(project, "maria", Role.ADMIN))
    return client


@pytest.fixture(autouse=True)
def var(settings: Settings, tmp_path: Path) -> Path:
    settings.ACCORD_VAR = tmp_path / "var"
    return tmp_path


def told(admin: Client, content: bytes, name: str = "rows.jsonl") -> str:
    """What the page says of the file once a worker has read it."""
    response = admin.post(f"{URL}import/", {"file": SimpleUploadedFile(name, content), "kind": "preferences"})
    assert response.status_code == 302
    import_run(ImportJob.objects.latest("pk").pk)
    return admin.get(f"{URL}imports/").content.decode()


def test_a_file_that_expands_without_end_stops_at_the_limit_and_what_came_before_is_kept(
    admin: Client, settings: Settings
) -> None:
    settings.ACCORD_IMPORT_MAX_BYTES = 2**20
    bomb = gzip.compress(ROW + b"\n" + b" " * (16 * 2**20))
    assert len(bomb) < 2**16
    assert "the file holds more than an import may read" in told(admin, bomb, "rows.jsonl.gz")
    assert Judgement.objects.count() == 1
    twice = gzip.compress(bomb)
    assert "1</strong> of" not in told(admin, twice, "rows.jsonl.gz.gz")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (ROW.decode().encode("utf-16"), "it is UTF-16"),
        (ROW.decode().encode("utf-16-le"), "it is UTF-16"),
        (ROW.replace(b"m1", b"m\xe9"), "not UTF-8"),
        (b"PK\x03\x04" + ROW, "a ZIP archive"),
        # A table that says its footer has a gigabyte, and a file that is nothing but the claim.
        (b"PAR1" + ROW + struct.pack("<I", CLAIM) + b"PAR1", "cut off or damaged"),
        (b"PAR1" + struct.pack("<I", CLAIM) + b"PAR1", "cut off or damaged"),
        (b'{"context": ' + b"[" * 200_000, "not JSON"),
        (b'{"id": ' + b"9" * 100_000 + b"}", "not JSON"),
    ],
    ids=["utf-16", "utf-16-le", "latin-1", "zip", "footer", "claim", "nested", "digits"],
)
def test_what_it_is_is_told_and_nothing_is_added(admin: Client, content: bytes, said: str) -> None:
    assert said in told(admin, content)
    assert not Judgement.objects.exists()


@pytest.mark.parametrize("name", NAMES, ids=["path", "script", "long", "backwards", "nul"])
def test_a_files_name_names_no_file_of_the_server_and_shows_as_text(
    admin: Client, var: Path, name: str
) -> None:
    page = told(admin, ROW + b"\n", name)
    assert "<script>alert" not in page and "1 added" in page
    assert len(ImportJob.objects.get().file_name) <= 200
    assert {path.name for path in var.rglob("*")} <= {"var", "imports"}


def test_a_request_that_claims_a_gigabyte_and_breaks_off_is_let_go() -> None:
    waiting: list[dict[str, object]] = [
        {"type": "http.request", "body": b"--x\r\nContent-Disposition: form-data", "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent: list[object] = []

    async def receive() -> dict[str, object]:
        return waiting.pop(0)

    async def send(message: object) -> None:
        sent.append(message)

    scope = {
        **{"type": "http", "method": "POST", "path": f"{URL}import/", "query_string": b"", "scheme": "http"},
        "headers": [
            (b"host", b"127.0.0.1"),
            (b"content-length", str(CLAIM).encode()),
            (b"content-type", b"multipart/form-data; boundary=x"),
        ],
    }
    asyncio.run(ThreadedHandler()(scope, receive, send))
    assert sent == [] and waiting == []


def test_a_formula_in_a_domain_goes_through_as_text(admin: Client) -> None:
    formula = '=HYPERLINK("http://evil.example")'
    told(admin, json.dumps({**ACCORD, "domain": formula}).encode())
    table = admin.get("/projects/helpful/reports/preference-data.csv").content.decode()
    assert "'=HYPERLINK" in table and ",=HYPERLINK" not in table and "\n=HYPERLINK" not in table
