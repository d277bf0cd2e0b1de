"""What a browser must fetch before somebody can judge."""

import gzip
import re
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.test import Client

from tests.annotation.factories import make_annotator, make_comparison, make_project

pytestmark = pytest.mark.django_db

MOST_BYTES = 150 * 1024
MOST_REQUESTS = 6
NAMED = re.compile(r'<(?:link|script)\b[^>]*\b(?:href|src)="(/[^"]+)"')


def content(client: Client, address: str) -> bytes:
    if address.startswith("/static/"):
        found = finders.find(address.removeprefix("/static/"))
        assert isinstance(found, str), address
        return Path(found).read_bytes()
    response = client.get(address)
    assert response.status_code == 200, address
    return bytes(response.content)


def test_the_comparison_page_with_all_that_it_needs_is_under_150_kb_and_few_requests() -> None:
    project = make_project(guidelines="Prefer what is *right*.\n\n" * 20)
    make_comparison(project, "Why? " * 50, answers=("A long answer. " * 80, "Another answer. " * 80))
    client = Client()
    client.force_login(make_annotator(project))
    page = content(client, f"/projects/{project.slug}/annotate/")
    assert b"data-comparison=" in page
    named = NAMED.findall(page.decode())
    parts = [page, *(content(client, address) for address in named)]
    assert b"class Comparison" in b"".join(parts)
    assert len(parts) <= MOST_REQUESTS, named
    size = sum(len(gzip.compress(part)) for part in parts)
    assert size < MOST_BYTES, size
