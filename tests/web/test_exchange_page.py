"""The page that brings judgements in and takes them out, and the API of exports."""

import asyncio
import hashlib
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import StreamingHttpResponse
from django.test import AsyncClient, Client
from django.utils import timezone

from accounts.models import AuditEntry, Role, User
from accounts.services import token_create
from annotation.figures.csv_tables import csv_table
from annotation.importing.preferences import read_preferences
from annotation.models import ImportJob, Judgement, Project, SavedFilter
from annotation.services import preferences_import
from annotation.services.import_jobs import STALE_AFTER, import_path, import_run
from tests.annotation.factories import make_annotator, make_project
from tests.annotation.test_import_and_export import write_rows
from tests.annotation.test_importing import ACCORD

pytestmark = pytest.mark.django_db

URL = "/projects/helpful/data/"
API = "/api/v1/projects/helpful/"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """With three judgements of two rounds."""
    project = make_project()
    given = [
        {**ACCORD, "id": f"r{number}", "round": number // 2 + 1, "domain": "=1+1"} for number in range(3)
    ]
    preferences_import(project, read_preferences(write_rows(tmp_path / "given.jsonl", given), None))
    return project


def browser_of(user: User) -> Client:
    """A browser in which `user` is logged in."""
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def reviewer(project: Project) -> Client:
    return browser_of(make_annotator(project, "rev", Role.REVIEWER))


@pytest.fixture
def admin(project: Project) -> Client:
    return browser_of(make_annotator(project, "maria", Role.ADMIN))


def upload(browser: Client, content: bytes, **fields: Any) -> Any:
    """Post a file to the import form."""
    file = SimpleUploadedFile("rows.jsonl", content)
    return browser.post(f"{URL}import/", {"file": file, "kind": "preferences", **fields})


def body(response: Any) -> bytes:
    """The bytes of a streamed answer."""
    return b"".join(response.streaming_content)


def test_annotators_reach_no_part_of_it(project: Project) -> None:
    browser = browser_of(make_annotator(project))
    for path in ("", "count/", "export/", "imports/"):
        assert browser.get(URL + path).status_code == 403, path
    for path in ("filters/", "filters/delete/", "import/"):
        assert browser.post(URL + path).status_code == 403, path
    for path in ("export", "export/manifest", "export/count", "filters"):
        said = browser.get(API + path)
        assert said.status_code == 403, path
        assert b"m1" not in said.content
    assert browser.put(f"{API}filters/mine", {"filter": {}}, "application/json").status_code == 403
    assert browser.get("/projects/helpful/reports/throughput.csv").status_code == 403


def test_a_reviewer_exports_and_does_not_import(reviewer: Client) -> None:
    assert reviewer.get(URL).status_code == 200
    assert upload(reviewer, b"{}").status_code == 403
    assert reviewer.get(f"{URL}imports/").status_code == 403
    response = reviewer.get(f"{URL}export/?format=accord&encoding=jsonl&round=1&edited=")
    assert [json.loads(line)["id"] for line in body(response).splitlines()] == ["r0", "r1"]
    assert response["Content-Disposition"] == 'attachment; filename="helpful-preferences.jsonl"'
    noted = AuditEntry.objects.get(action="preferences.export")
    assert noted.data["filter"] == {"rounds": [1]}
    assert noted.actor is not None


@pytest.mark.parametrize("encoding", ["jsonl", "jsonl.gz", "parquet"])
def test_the_file_is_what_its_manifest_says(reviewer: Client, encoding: str) -> None:
    parameters = {"encoding": encoding, "round": "2", "format": "trl", "from": "", "to": ""}
    data = body(reviewer.get(f"{API}export", parameters))
    manifest = reviewer.get(f"{API}export/manifest", parameters).json()
    [file] = manifest["files"]
    assert (file["bytes"], file["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    assert (manifest["judgements"], manifest["filter"]) == (1, {"rounds": [2]})


def test_wrong_filters_are_told_in_a_sentence(reviewer: Client) -> None:
    days = {"from": "2026-02-01", "to": "2026-01-31"}
    said = reviewer.get(f"{API}export/count", days)
    assert said.status_code == 422
    assert "exchange them" in said.json()["detail"]
    assert "exchange them" in reviewer.get(f"{URL}count/", days).content.decode()
    assert reviewer.get(f"{URL}export/", {**days, "format": "accord", "encoding": "jsonl"}).status_code == 422
    assert reviewer.get(f"{API}export?encoding=csv").status_code == 422
    assert reviewer.get(f"{API}export?domain=%00").status_code == 422
    assert reviewer.get(f"{API}export?saved=%00").status_code == 404
    assert reviewer.get(f"{API}export?saved=none").status_code == 404


def test_a_filter_is_saved_counted_shared_and_deleted(
    project: Project, reviewer: Client, admin: Client
) -> None:
    assert "2 judgements" in reviewer.get(f"{URL}count/?round=1").content.decode()
    chosen = {"round": ["1"], "strength": ["slightly_better"], "name": " Round  one "}
    assert reviewer.post(f"{URL}filters/", chosen)["HX-Redirect"] == f"{URL}?saved=Round+one"
    page = admin.get(f"{URL}?saved=Round+one").content.decode()
    assert "2 judgements" in page
    assert '<option value="1" selected>' in page
    assert admin.get(f"{API}filters").json() == [
        {"name": "Round one", "filter": {"rounds": [1], "strengths": ["slightly_better"]}}
    ]
    assert admin.get(f"{API}export/count?saved=Round+one").json() == {"judgements": 2}
    body = {"filter": {"rounds": [2]}}
    assert admin.put(f"{API}filters/Round one", body, "application/json").status_code == 200
    assert admin.get(f"{API}export/count?saved=Round+one").json() == {"judgements": 1}
    assert reviewer.post(f"{URL}filters/", {"name": " "})["HX-Redirect"].startswith(URL)
    assert reviewer.post(f"{URL}filters/delete/", {"name": "Round one"}).status_code == 302
    assert admin.delete(f"{API}filters/Round one").status_code == 404
    assert not SavedFilter.objects.exists()
    actions = AuditEntry.objects.filter(action__startswith="filter.").order_by("pk")
    assert [entry.action for entry in actions] == ["filter.save", "filter.save", "filter.delete"]


def test_an_upload_is_read_by_a_worker_and_told_on_the_page(project: Project, admin: Client) -> None:
    lines = [json.dumps({**ACCORD, "id": "new"}), "{", json.dumps({**ACCORD, "id": "r0", "domain": "=1+1"})]
    assert upload(admin, "\n".join(lines).encode(), round="7").status_code == 302
    job = ImportJob.objects.get()
    waiting = admin.get(f"{URL}imports/").content.decode()
    assert "Waiting for a worker" in waiting
    assert "every 1s" in waiting
    import_run(job.pk)
    import_run(job.pk)  # A message that comes twice does nothing.
    told = admin.get(f"{URL}imports/").content.decode()
    assert "<strong>1 added</strong> of 3 read" in told
    assert "1 already there" in told
    assert "line 2: not JSON" in told
    assert "every 1s" not in told
    assert Judgement.objects.get(record_id="new").comparison.round == 7
    assert not import_path(job).exists()


def test_prompts_and_damaged_files_go_the_same_way(project: Project, admin: Client) -> None:
    upload(admin, b'{"prompt": "Why?"}', kind="prompts")
    upload(admin, b"PAR1 and nothing else")
    upload(admin, b"x")
    prompts, broken, lost = ImportJob.objects.order_by("pk")
    import_path(lost).unlink()
    for job in (prompts, broken, lost):
        import_run(job.pk)
    told = admin.get(f"{URL}imports/").content.decode()
    assert "the file is cut off or damaged" in told
    assert "Upload it again." in told
    assert project.prompts.filter(external_id__startswith="prompt-").count() == 1
    assert upload(admin, b"x", kind="people").status_code == 422


def test_a_job_that_lost_its_worker_is_started_again(project: Project, admin: Client, broker: str) -> None:
    upload(admin, json.dumps({**ACCORD, "id": "new"}).encode())
    job = ImportJob.objects.get()
    restart = f"{URL}imports/{job.pk}/restart/"
    assert admin.post(restart).status_code == 409
    ImportJob.objects.update(state="running", seen_at=timezone.now() - STALE_AFTER - timedelta(seconds=1))
    assert "Start again" in admin.get(f"{URL}imports/").content.decode()
    assert admin.post(restart).status_code == 302
    import_run(job.pk)
    job.refresh_from_db()
    assert (job.state, job.kept) == ("finished", 1)
    other = make_project("other")
    ImportJob.objects.update(project=other)
    assert admin.post(restart).status_code == 404


def test_reports_come_as_csv_that_runs_nothing(project: Project, reviewer: Client) -> None:
    table = reviewer.get("/projects/helpful/reports/preference-data.csv?round=1")
    lines = table.content.decode("utf-8-sig").splitlines()
    assert lines[1].startswith("'=1+1,2,100.0,")
    assert lines[2].startswith("Total,2,")
    assert table["Content-Disposition"] == 'attachment; filename="helpful-preference-data-round-1.csv"'
    days = reviewer.get("/projects/helpful/reports/throughput.csv").content.decode("utf-8-sig")
    assert days.splitlines()[1].startswith("2026-01-31,2026-01-31,0,0,3,0,3,0,0")
    assert reviewer.get("/projects/helpful/reports/people.csv").status_code == 404


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@a", "\ta", "\ra", " =1", "\n=1"])
def test_a_cell_that_could_be_a_formula_is_quoted(text: str) -> None:
    assert csv_table(["a"], [[text]]).splitlines()[1].lstrip('"').startswith("'")


def test_numbers_stay_numbers_in_csv() -> None:
    assert csv_table(["a", "b"], [[-1.5, None], ["a-1", 3]]) == "a,b\r\n-1.5,\r\na-1,3\r\n"


@pytest.mark.django_db(transaction=True)
def test_the_asynchronous_server_streams_what_the_other_one_does(project: Project) -> None:
    _, secret = token_create(make_annotator(project, "rev", Role.REVIEWER), name="test")
    headers = {"Authorization": f"Bearer {secret}"}
    expected = body(Client(headers=headers).get(f"{API}export"))

    async def fetch() -> bytes:
        response = await AsyncClient().get(f"{API}export", headers=headers)
        assert isinstance(response, StreamingHttpResponse)
        assert response.is_async
        return b"".join([piece async for piece in response])

    assert asyncio.run(fetch()) == expected
