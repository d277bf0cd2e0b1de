"""Answers that call a tool: shown as code, edited, exported, imported and gone on from as what they are."""

from pathlib import Path

import pytest
from django.test import Client

from annotation.exported import exported_records
from annotation.exporting.rows import rows_of
from annotation.importing import accord, trl
from annotation.importing.preferences import Format, ReadRecord
from annotation.models import Comparison, Response
from annotation.services.preferences import preferences_import
from annotation.services.turns import turn_ask
from annotation.text import as_code
from tests.annotation.factories import Annotator, make_annotator, make_comparison, make_project
from tests.annotation.test_import_and_export import export, run, without_nulls

pytestmark = pytest.mark.django_db

CODE = "print('```')  # <b>17 * 23</b>"


def make_call(comparison: Comparison) -> None:
    """Let the left answer call a tool."""
    Response.objects.filter(pk=comparison.left_id).update(content=CODE, tool_call=True)


def test_people_see_the_code_as_it_is_and_that_it_is_a_call(client: Client) -> None:
    project = make_project()
    make_call(make_comparison(project, "What is 17 * 23?"))
    person = make_annotator(project)
    handed = Annotator(person).next(project)
    assert handed["left"] == {"content": CODE, "tool_call": True}
    assert handed["right"]["tool_call"] is False
    client.force_login(person)
    page = client.post(f"/projects/{project.slug}/annotate/next/").content.decode()
    assert page.count("Calls a tool") == 1
    assert "<b>17" not in page
    assert "&lt;b&gt;17 * 23&lt;/b&gt;" in page


@pytest.mark.parametrize("format_", ["accord", "trl"])
def test_a_judged_call_goes_out_and_comes_back(format_: str, tmp_path: Path) -> None:
    project, other = make_project(), make_project("other")
    make_call(make_comparison(project, "?"))
    annotator = Annotator(make_annotator(project))
    annotator.judge(annotator.next(project), "once", preferred="left", edited="print(17 * 23)")
    (record,) = exported_records(project)
    assert [response.tool_call for response in record.responses] == [True, True, False]
    rows = rows_of(record, format_)
    parse = accord.parse if format_ == "accord" else trl.parse
    read = [ReadRecord(line=n, format=Format(format_), record=parse(row)) for n, row in enumerate(rows)]
    assert preferences_import(other, iter(read)).kept == len(rows)
    back = list(exported_records(other))
    calls = {response.content: response.tool_call for one in back for response in one.responses}
    assert calls == {response.content: response.tool_call for response in record.responses}
    assert preferences_import(other, iter(read)).kept == 0

    exported = export("helpful", tmp_path / "rows.jsonl", "--format", format_)
    run("export_preferences", "--project", "helpful", "--out", tmp_path / "r.parquet", "--format", format_)
    import pyarrow.parquet as pq

    assert without_nulls(pq.read_table(tmp_path / "r.parquet").to_pylist()) == exported


def test_the_dialog_goes_on_from_a_call() -> None:
    project = make_project()
    comparison = make_comparison(project, "?")
    make_call(comparison)
    annotator = Annotator(make_annotator(project))
    annotator.judge(annotator.next(project), "once", preferred="left")
    asked, _ = turn_ask(dialog_id=comparison.dialog_id, annotator=annotator.user, content="Go on.")
    assert asked.context[-2] == {"role": "assistant", "content": CODE, "tool_call": True}


def test_code_is_fenced_by_more_than_it_has() -> None:
    assert as_code("a") == "```\na\n```"
    assert as_code("a ```` b") == "`````\na ```` b\n`````"
