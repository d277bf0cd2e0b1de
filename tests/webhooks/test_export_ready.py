"""Whoever waits for an export hears of it once it is whole, however it was made."""

import hashlib
from pathlib import Path

import pytest
from django.core.management import call_command
from django.test import Client

from accounts.models import Role
from tests.annotation.factories import Annotator, make_annotator, make_comparison, make_project
from webhooks.models import Delivery, Endpoint

pytestmark = pytest.mark.django_db


def test_a_whole_export_is_told_with_its_hash_by_the_page_and_by_the_command(
    client: Client, tmp_path: Path
) -> None:
    project = make_project()
    make_comparison(project, "?")
    annotator = Annotator(make_annotator(project))
    annotator.judge(annotator.next(project))
    Endpoint.objects.create(url="https://example.org/", events=["export.ready"])
    client.force_login(make_annotator(project, "boss", Role.ADMIN))
    response = client.get("/projects/helpful/data/export/?format=trl&encoding=jsonl")
    assert not Delivery.objects.exists()
    content = response.getvalue()
    told = Delivery.objects.get().body["data"]
    assert (told["project"], told["format"], told["judgements"], told["rows"]) == ("helpful", "trl", 1, 1)
    assert told["files"][0]["sha256"] == hashlib.sha256(content).hexdigest()

    out = tmp_path / "out.parquet"
    call_command("export_preferences", project="helpful", out=out)
    told = Delivery.objects.latest("pk").body["data"]
    assert told["files"] == [
        {
            "name": "out.parquet",
            "bytes": out.stat().st_size,
            "sha256": hashlib.sha256(out.read_bytes()).hexdigest(),
        }
    ]
