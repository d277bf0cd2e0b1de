"""Exports: chosen by a filter, the same bytes each time, known again by their manifest, flat in memory."""

import gzip
import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from datasets import load_dataset
from django.core.management import CommandError

from annotation.exporting import files
from annotation.exporting.encoding import ENCODINGS, encoded
from annotation.exporting.rows import rows_of
from annotation.filters import PreferenceFilter
from annotation.importing.preferences import ReadRecord, read_preferences
from annotation.models import Judgement, Project
from annotation.records import Message, PreferenceRecord, RankedResponse, Strength
from annotation.services.exchange import filter_save
from tests.annotation.factories import make_project
from tests.annotation.test_import_and_export import run, write_rows
from tests.annotation.test_importing import ACCORD, CONTEXT, RESPONSES

EDITED = {"content": "Because of that.", "model": "person", "origin": "edited"}


def record(number: int, **changes: Any) -> PreferenceRecord:
    """A record like thousands of others."""
    fields: dict[str, Any] = {
        "id": f"r{number}",
        "domain": "general",
        "language": "en",
        "round": 1,
        "context": (Message(role="user", content=f"Why {number}? " + "Tell me more. " * 20),),
        "responses": (
            RankedResponse(content="Because. " * 40, model="m1", origin="chosen"),
            RankedResponse(content="No. " * 40, model="m2", origin="rejected"),
        ),
        "strength": Strength.BETTER,
        "annotator": "p-1",
        "created": "2026-01-31T12:00:00+00:00",
    }
    return PreferenceRecord(**{**fields, **changes})


def rows(count: int) -> Iterator[dict[str, Any]]:
    """So many rows."""
    [row] = rows_of(record(1), "accord")
    return ({**row, "id": str(number)} for number in range(count))


@pytest.fixture
def imported(tmp_path: Path) -> Path:
    """Four judgements in a project, and a folder to export to."""
    make_project()
    given = [
        {**ACCORD, "id": "a", "created": "2026-01-30T23:59:59+00:00"},
        {**ACCORD, "id": "b", "round": 2, "domain": "code", "responses": [EDITED, *RESPONSES]},
        {**ACCORD, "id": "c", "round": 2, "language": "de", "annotator": "p-2", "strength": "better"},
        {**ACCORD, "id": "d", "round": 3, "domain": "code", "created": "2026-02-01T00:00:00+00:00"},
    ]
    run("import_preferences", write_rows(tmp_path / "given.jsonl", given), "--project", "helpful", "--strict")
    Judgement.objects.filter(record_id="c").update(reasons=["shorter", "kinder"])
    return tmp_path


def exported_ids(folder: Path, *options: str) -> list[str]:
    """The ids that an export with these options has."""
    path = folder / "out.jsonl"
    run("export_preferences", "--project", "helpful", "--out", path, *options)
    return [json.loads(line)["id"] for line in path.read_text().splitlines()]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("options", "ids"),
    [
        ("", "abcd"),
        ("--round 2", "bc"),
        ("--round 1 --round 3", "ad"),
        ("--domain code", "bd"),
        ("--domain code --round 2", "b"),
        ("--language de", "c"),
        ("--strength better", "c"),
        ("--annotator p-1", "abd"),
        ("--annotator nobody", ""),
        ("--reason kinder --reason none", "c"),
        ("--from 2026-01-31", "bcd"),
        ("--to 2026-01-31", "abc"),
        ("--edited", "b"),
    ],
)
def test_a_filter_takes_what_it_says(imported: Path, options: str, ids: str) -> None:
    assert exported_ids(imported, *options.split()) == list(ids)


@pytest.mark.django_db
def test_a_saved_filter_is_named_on_the_command_line(imported: Path) -> None:
    filter_save(Project.objects.get(), "Code", PreferenceFilter(domains=("code",)), actor=None)
    assert exported_ids(imported, "--saved", "Code") == ["b", "d"]
    with pytest.raises(CommandError, match="no filter 'Cod'"):
        exported_ids(imported, "--saved", "Cod")
    with pytest.raises(CommandError, match="'round'"):
        exported_ids(imported, "--round", "one")


@pytest.mark.django_db
@pytest.mark.parametrize("format_", ["accord", "trl"])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_an_export_is_the_same_each_time_and_verified_by_its_manifest(
    imported: Path, format_: str, encoding: str
) -> None:
    found = []
    for name in ("one", "two"):
        (imported / name).mkdir()
        path = imported / name / f"out.{encoding}"
        run(
            *("export_preferences", "--project", "helpful", "--format", format_, "--out", path),
            *("--manifest", "--round", "2"),
        )
        beside = path.with_name(path.name + ".manifest.json")
        found.append((path.read_bytes(), beside.read_text()))
    assert found[0] == found[1]
    manifest = json.loads(found[0][1])
    assert manifest["filter"] == {"rounds": [2]}
    assert (manifest["judgements"], manifest["rows"]) == (2, 2 if format_ == "accord" else 4)
    assert manifest["by_domain"] == {"code": 1, "general": 1}
    assert manifest["by_strength"] == {"better": 1, "slightly_better": 1}
    assert "is whole" in run("verify_export", path)
    path.write_bytes(found[0][0][:-5] + b"12345")
    with pytest.raises(CommandError, match="has changed"):
        run("verify_export", path)
    path.write_bytes(found[0][0][:-5])
    with pytest.raises(CommandError, match="export it again"):
        run("verify_export", path)
    beside.unlink()
    with pytest.raises(CommandError, match="no manifest"):
        run("verify_export", path)


@pytest.mark.django_db
@pytest.mark.parametrize("format_", ["accord", "trl"])
def test_the_datasets_library_loads_an_exported_folder(
    imported: Path, format_: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "JUDGEMENTS_A_SHARD", 3)
    folder = imported / "folder"
    for _ in range(2):  # An earlier export is replaced.
        run("export_preferences", "--project", "helpful", "--format", format_, "--out", folder)
    loaded = load_dataset(str(folder), split="train", cache_dir=str(imported / "cache"))
    assert list(loaded["id"]) == (
        ["a", "b", "c", "d"] if format_ == "accord" else ["a", "b/0", "b/1", "b/2", "c", "d"]
    )
    assert loaded[0]["context" if format_ == "accord" else "prompt"][0]["content"] == CONTEXT[0]["content"]
    assert len(list((folder / "data").iterdir())) == 2
    assert "is whole" in run("verify_export", folder)
    assert all(isinstance(row, ReadRecord) for row in read_preferences(folder, None))
    (imported / "mine").mkdir()
    (imported / "mine" / "notes.txt").write_text("Mine.")
    with pytest.raises(CommandError, match="choose a new folder"):
        run("export_preferences", "--project", "helpful", "--out", imported / "mine")


@pytest.mark.django_db
def test_an_empty_export_is_a_file_too(imported: Path) -> None:
    for name in ("out.jsonl", "out.jsonl.gz", "out.parquet", "folder"):
        run(
            *("export_preferences", "--project", "helpful", "--round", "9"),
            *("--out", imported / name, "--manifest"),
        )
        assert "is whole: 0 rows" in run("verify_export", imported / name)
    assert pq.read_table(imported / "out.parquet").num_rows == 0


def test_a_tool_call_survives_parquet(tmp_path: Path) -> None:
    call = Message(role="assistant", content="look()", tool_call=True)
    context = (Message(role="user", content="Look."), call, Message(role="ipython", content="A cat."))
    given = record(1, context=context)
    pieces = encoded(rows_of(given, "accord"), format_="accord", encoding="parquet")
    (tmp_path / "out.parquet").write_bytes(b"".join(pieces))
    [read] = read_preferences(tmp_path / "out.parquet", None)
    assert isinstance(read, ReadRecord)
    assert read.record == given


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_memory_stays_flat_however_many_rows_there_are(encoding: str) -> None:
    tracemalloc.start()
    size = sum(len(piece) for piece in encoded(rows(6000), format_="accord", encoding=encoding))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size > 10_000
    assert most < 12_000_000, most


def test_gzip_carries_neither_name_nor_time() -> None:
    data = b"".join(encoded(rows(2), format_="accord", encoding="jsonl.gz"))
    assert data[3:8] == b"\0" * 5
    assert len(gzip.decompress(data).splitlines()) == 2
