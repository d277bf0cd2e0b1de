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
STATIC = re.compile(r'(?:href|src)="/static/([^"]+\.(?:css|js|svg))"')
IMPORTED = re.compile(r'from "(\.[^"]+)"')


def static_file(name: str) -> Path:
    found = finders.find(name)
    assert isinstance(found, str), name
    return Path(found).resolve()


def with_imports(files: set[Path]) -> set[Path]:
    """The files and the modules that they import, however deep."""
    roots = {
        "web": static_file("web/page.js").parent,
        "annotation": static_file("annotation/compare.js").parent,
    }
    done: set[Path] = set()
    waiting = list(files)
    while waiting:
        file = waiting.pop()
        if file in done:
            continue
        done.add(file)
        for name in IMPORTED.findall(file.read_text()) if file.suffix == ".js" else ():
            *folders, last = Path(name).parts
            other = next((roots[folder] for folder in folders if folder in roots), file.parent)
            waiting.append(other / last)
    return done


def test_the_comparison_page_with_all_that_it_needs_is_under_150_kb_compressed() -> None:
    project = make_project(guidelines="Prefer what is *right*.\n\n" * 20)
    make_comparison(project, "Why? " * 50, answers=("A long answer. " * 80, "Another answer. " * 80))
    client = Client()
    client.force_login(make_annotator(project))
    frame = client.get(f"/projects/{project.slug}/annotate/").content
    fragment = client.post(f"/projects/{project.slug}/annotate/next/").content
    named = {static_file(name) for name in STATIC.findall(frame.decode())}
    files = with_imports(named)
    assert {file.name for file in files} >= {"compare.css", "compare.js", "comparison.js", "toast.js"}
    parts = [frame, fragment, *(file.read_bytes() for file in files)]
    size = sum(len(gzip.compress(part)) for part in parts)
    assert size < MOST_BYTES, size
