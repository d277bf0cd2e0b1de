"""Import and export commands: counted, repeatable, and back again without loss."""

import gzip
import json
from io import StringIO
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from django.core.management import CommandError, call_command

from annotation.importing.preferences import read_preferences
from annotation.models import Comparison, Edit, Judgement, Project, Prompt, Response
from annotation.selectors import judgement_counts, preference_records
from annotation.services import preferences_import
from tests.annotation.factories import Annotator, make_annotator, make_comparison, make_project
from tests.annotation.test_importing import ACCORD, BAD_ROWS, HH, RESPONSES, TRL

pytestmark = pytest.mark.django_db

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "preferences"


def write_rows(path: Path, rows: list[Any]) -> Path:
    """A JSONL file."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def run(*arguments: str | Path) -> str:
    """What a command prints, both streams."""
    out = StringIO()
    call_command(*(str(argument) for argument in arguments), stdout=out, stderr=out)
    return out.getvalue()


def without_nulls(value: Any) -> Any:
    """Parquet gives each message a `tool_call`, null where it has none."""
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return value


def export(project: str, path: Path, *arguments: str) -> list[Any]:
    """The rows that `export_preferences` writes."""
    run("export_preferences", "--project", project, "--out", path, *arguments)
    return [json.loads(line) for line in path.read_text().split("\n") if line]


def test_every_row_is_counted_and_the_good_ones_are_kept(tmp_path: Path) -> None:
    make_project()
    rows: list[Any] = [ACCORD, *(row for row, _ in BAD_ROWS), HH, TRL]
    output = run("import_preferences", write_rows(tmp_path / "rows.jsonl", rows), "--project", "helpful")
    assert f"read {len(rows)} rows: kept 3 judgements, 0 already there, refused {len(BAD_ROWS)}" in output
    for line, (_, reason) in enumerate(BAD_ROWS, start=2):
        assert f"line {line}: {reason.value}" in output
    assert "1 rows were in the hh format, which has no strength" in output
    assert Judgement.objects.count() == 3


def test_importing_twice_adds_nothing(tmp_path: Path) -> None:
    make_project()
    path = write_rows(tmp_path / "rows.jsonl", [ACCORD, HH, TRL, ACCORD])
    assert "kept 3 judgements, 1 already there" in run("import_preferences", path, "--project", "helpful")
    counts = [model.objects.count() for model in (Prompt, Response, Comparison, Judgement)]
    assert "kept 0 judgements, 4 already there" in run("import_preferences", path, "--project", "helpful")
    assert [model.objects.count() for model in (Prompt, Response, Comparison, Judgement)] == counts


def test_the_status_tells_whether_anything_was_kept(tmp_path: Path) -> None:
    make_project()
    mixed = write_rows(tmp_path / "mixed.jsonl", [ACCORD, {}])
    run("import_preferences", mixed, "--project", "helpful")
    with pytest.raises(CommandError, match="1 rows were refused"):
        run("import_preferences", mixed, "--project", "helpful", "--strict")
    cases: list[tuple[str, list[Any]]] = [("bad", [{}, []]), ("empty", [])]
    for name, rows in cases:
        with pytest.raises(CommandError, match="Nothing was kept"):
            run("import_preferences", write_rows(tmp_path / name, rows), "--project", "helpful")


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="There is no file"):
        run("import_preferences", tmp_path / "none.jsonl", "--project", "helpful")
    path = write_rows(tmp_path / "rows.jsonl", [ACCORD])
    with pytest.raises(CommandError, match="create_project helpful"):
        run("import_preferences", path, "--project", "helpful")
    with pytest.raises(CommandError, match="create_project helpful"):
        run("export_preferences", "--project", "helpful", "--out", tmp_path / "out.jsonl")
    make_project()
    with pytest.raises(CommandError, match="must end in"):
        run("export_preferences", "--project", "helpful", "--out", tmp_path / "out.csv")


def test_several_peoples_judgements_of_one_pair_meet_in_one_comparison(tmp_path: Path) -> None:
    make_project()
    swapped = [{**RESPONSES[1], "origin": "chosen"}, {**RESPONSES[0], "origin": "rejected"}]
    rows = [
        {**ACCORD, "id": "1", "annotator": "p-1"},
        {**ACCORD, "id": "2", "annotator": "p-2", "responses": swapped},
        {**ACCORD, "id": "3", "annotator": "p-1", "strength": "better"},
    ]
    run("import_preferences", write_rows(tmp_path / "rows.jsonl", rows), "--project", "helpful")
    met, alone = Comparison.objects.order_by("-num_judgements")
    assert (met.num_judgements, met.needed, met.state) == (2, 2, "full")
    assert {judgement.preferred for judgement in met.judgements.all()} == {"left", "right"}
    assert alone.num_judgements == 1
    later = write_rows(tmp_path / "later.jsonl", [{**ACCORD, "id": "4", "annotator": "p-3"}])
    run("import_preferences", later, "--project", "helpful")
    met.refresh_from_db()
    assert (met.num_judgements, met.needed) == (3, 3)


def test_one_id_for_two_contents_keeps_both(tmp_path: Path) -> None:
    make_project()
    other = {**ACCORD, "strength": "better"}
    path = write_rows(tmp_path / "rows.jsonl", [ACCORD, other])
    for kept in (2, 0):
        assert f"kept {kept} judgements" in run("import_preferences", path, "--project", "helpful")
    ids = [row["id"] for row in export("helpful", tmp_path / "out.jsonl")]
    assert ids[0] == "r1"
    assert ids[1].startswith("r1#")


def test_the_round_can_be_given(tmp_path: Path) -> None:
    project = make_project()
    path = write_rows(tmp_path / "rows.jsonl", [ACCORD])
    run("import_preferences", path, "--project", "helpful", "--round", "4")
    assert [record.round for record in preference_records(project)] == [4]
    assert not list(preference_records(project, rounds={1}))
    with pytest.raises(CommandError, match="--round"):
        run("import_preferences", path, "--project", "helpful", "--round", "-1")


def test_records_come_back_from_another_project_as_they_were(tmp_path: Path) -> None:
    project = make_project()
    for number, fields in enumerate([{}, {"preferred": "right", "edited": "Better. ΩЖ😀\u2028"}]):
        make_comparison(project, f"Why {number}?", domain="code")
        annotator = Annotator(make_annotator(project, f"person-{number}"))
        assert annotator.judge(annotator.next(project), **fields).status == 201
    first = export("helpful", tmp_path / "first.jsonl")
    assert [len(row["responses"]) for row in first] == [2, 3]
    assert [response["origin"] for response in first[1]["responses"]] == ["edited", "chosen", "rejected"]
    again = run("import_preferences", tmp_path / "first.jsonl", "--project", "helpful", "--strict")
    assert "kept 0 judgements, 2 already there" in again
    make_project("other")
    run("import_preferences", tmp_path / "first.jsonl", "--project", "other", "--strict")
    assert export("other", tmp_path / "second.jsonl") == first
    assert Edit.objects.count() == 2


def test_parquet_and_gzip_hold_the_same_rows(tmp_path: Path) -> None:
    make_project()
    path = write_rows(tmp_path / "rows.jsonl", [ACCORD, HH])
    run("import_preferences", path, "--project", "helpful")
    for format_ in ("accord", "trl"):
        rows = export("helpful", tmp_path / "out.jsonl", "--format", format_)
        assert len(rows) == 2
        for ending in ("parquet", "jsonl.gz"):
            run(
                *("export_preferences", "--project", "helpful"),
                *("--format", format_, "--out", tmp_path / f"out.{ending}"),
            )
        assert without_nulls(pq.read_table(tmp_path / "out.parquet").to_pylist()) == rows
        assert [
            json.loads(line)
            for line in gzip.decompress((tmp_path / "out.jsonl.gz").read_bytes()).splitlines()
        ] == rows


def test_a_trl_export_has_a_row_for_each_better_and_worse_response(tmp_path: Path) -> None:
    make_project()
    edited = {"content": "Because of that.", "model": "person", "origin": "edited"}
    row = {**ACCORD, "responses": [edited, *RESPONSES]}
    run("import_preferences", write_rows(tmp_path / "rows.jsonl", [row]), "--project", "helpful")
    rows = export("helpful", tmp_path / "out.jsonl", "--format", "trl")
    pairs = [(row["chosen"][0]["content"], row["rejected"][0]["content"]) for row in rows]
    assert pairs == [("Because of that.", "Because."), ("Because of that.", "No."), ("Because.", "No.")]
    make_project("other")
    run("import_preferences", tmp_path / "out.jsonl", "--project", "other", "--strict")
    assert [record.strength for record in preference_records(Project.objects.get(slug="other"))] == [
        "slightly_better"
    ] * 3


def test_a_trl_export_says_what_is_unsafe_and_comes_back_so(tmp_path: Path) -> None:
    make_project()
    chosen, rejected = RESPONSES
    edited = {"content": "Because of that.", "model": "person", "origin": "edited"}
    row = {**ACCORD, "responses": [edited, chosen, {**rejected, "safety": ["hate", "violence"]}]}
    run("import_preferences", write_rows(tmp_path / "rows.jsonl", [row]), "--project", "helpful")
    rows = export("helpful", tmp_path / "out.jsonl", "--format", "trl")
    assert [row.get("rejected_safety") for row in rows] == [None, ["hate", "violence"], ["hate", "violence"]]
    assert not any("chosen_safety" in row for row in rows)
    for ending in ("jsonl", "parquet"):
        path = tmp_path / f"out.{ending}"
        run("export_preferences", "--project", "helpful", "--format", "trl", "--out", path)
        project = make_project(ending)
        run("import_preferences", path, "--project", ending, "--strict")
        found = [record.responses[1].safety for record in preference_records(project)]
        assert found == [(), ("hate", "violence"), ("hate", "violence")]
    wrong = write_rows(tmp_path / "wrong.jsonl", [{**rows[0], "chosen_safety": "hate"}])
    with pytest.raises(CommandError):
        run("import_preferences", wrong, "--project", "parquet", "--strict")


def test_flagged_and_withdrawn_comparisons_are_left_out(tmp_path: Path) -> None:
    project = make_project()
    run("import_preferences", write_rows(tmp_path / "rows.jsonl", [ACCORD, HH]), "--project", "helpful")
    for state in ("flagged", "withdrawn"):
        Comparison.objects.filter(judgements__record_id="r1").update(state=state)
        assert [record.annotator for record in preference_records(project)] == ["hh"]


def test_judgements_are_counted_by_domain_and_strength(tmp_path: Path) -> None:
    project = make_project()
    rows = [
        {**ACCORD, "id": str(number), "domain": domain, "strength": strength}
        for number, (domain, strength) in enumerate(
            [("code", "better"), ("code", "better"), ("code", "significantly_better"), ("general", "better")]
        )
    ]
    run("import_preferences", write_rows(tmp_path / "rows.jsonl", rows), "--project", "helpful")
    counts = [(count.domain, count.strength, count.judgements) for count in judgement_counts(project)]
    assert counts == [("code", "significantly_better", 1), ("code", "better", 2), ("general", "better", 1)]


def test_prompts_are_imported_once_and_some_are_held_out(tmp_path: Path) -> None:
    rows: list[Any] = [{"id": str(number), "prompt": f"Why {number}?"} for number in range(200)]
    rows += [{"id": "0", "prompt": "Something else?"}, {"prompt": ""}]
    path = write_rows(tmp_path / "prompts.jsonl", rows)
    with pytest.raises(CommandError, match="create_project helpful"):
        run("import_prompts", path, "--project", "helpful")
    output = run("import_prompts", path, "--project", "helpful", "--create", "--holdout", "0.2")
    assert "read 202 rows: kept 200 prompts, 0 already there, refused 2" in output
    assert "line 201: its id belongs to other content: 0" in output
    assert 20 <= Prompt.objects.filter(split="holdout").count() <= 60
    assert "kept 0 prompts, 200 already there" in run("import_prompts", path, "--project", "helpful")
    with pytest.raises(CommandError, match="--holdout"):
        run("import_prompts", path, "--project", "helpful", "--holdout", "1")


def test_annotators_are_made_with_tokens_that_open_the_api(tmp_path: Path, client: Any) -> None:
    make_project()
    path = tmp_path / "tokens.json"
    for count in (2, 1):
        run("create_annotators", "--project", "helpful", "--count", str(count), "--tokens", path)
        assert len(json.loads(path.read_text())) == count
    assert path.stat().st_mode & 0o777 == 0o600
    [row] = json.loads(path.read_text())
    assert row["username"] == "helpful-annotator-3"
    headers = {"Authorization": f"Bearer {row['token']}"}
    assert client.get("/api/v1/projects", headers=headers).json()[0]["slug"] == "helpful"
    with pytest.raises(CommandError, match="cannot be written"):
        run(
            "create_annotators",
            "--project",
            "helpful",
            "--count",
            "1",
            "--tokens",
            tmp_path / "no" / "t.json",
        )
    assert Project.objects.get().memberships.count() == 3


def test_a_project_is_made_once(tmp_path: Path) -> None:
    guidelines = tmp_path / "guidelines.md"
    guidelines.write_text("Be *kind*.")
    run(
        "create_project", "helpful", "--name", "Helpful answers", "--guidelines", guidelines, "--overlap", "2"
    )
    project = Project.objects.get()
    assert (project.name, project.guidelines, project.overlap) == ("Helpful answers", "Be *kind*.", 2)
    with pytest.raises(CommandError, match="already"):
        run("create_project", "helpful")
    with pytest.raises(CommandError):
        run("create_project", "not a slug")
    with pytest.raises(CommandError):
        run("create_project", "zero", "--overlap", "0")


@pytest.mark.skipif(not SHARED.exists(), reason="the real data is not on this machine")
def test_real_hh_pairs_are_imported_but_for_the_broken_ones() -> None:
    project = make_project()
    counts = preferences_import(project, read_preferences(SHARED / "hh_helpful_base_test.jsonl.gz", None))
    assert (counts.read, counts.kept) == (1866, 1853)
    assert {reason.name: number for reason, number in counts.refused.items()} == {
        "SAME_SPEAKER_TWICE": 5,
        "DIFFERENT_CONTEXTS": 5,
        "EMPTY_RESPONSE": 2,
        "EMPTY_MESSAGE": 1,
    }
    assert sum(1 for _ in preference_records(project)) == 1853
