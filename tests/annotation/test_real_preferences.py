"""Real graded and multi-annotator sets go in and come out unchanged: a sample of each, in every file form."""

import gzip
import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from annotation.exported import export_of, exported_records
from annotation.exporting.files import write_file, write_folder
from annotation.filters import PreferenceFilter
from annotation.importing.preferences import read_preferences
from annotation.importing.refusal import Reason
from annotation.models import Comparison, Judgement, Project
from annotation.services import preferences_import
from tests.annotation.factories import make_project

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
SETS = (
    *("autoj_pairwise_58scenarios", "cohere_graded_ratings", "finegrained_qa_feedback", "hhh_alignment_221"),
    *("lamp_edit_rankings", "lamp_human_edits", "lfqa_expert_justified", "llmbar_and_mtbench"),
    *("pandalm_3annotators", "webgpt_graded"),
)
LINES = 15
ALL = PreferenceFilter()

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(not DATA.exists(), reason="the real data is not on this machine"),
]


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first rows of each set as Accord's records."""
    folder = tmp_path_factory.mktemp("real")
    parts = []
    for name in SETS:
        part = folder / f"{name}.jsonl.gz"
        with (
            gzip.open(DATA / "preferences" / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines,
            gzip.open(part, "wt", encoding="utf-8") as out,
        ):
            out.writelines(itertools.islice(lines, LINES))
        parts.append(part)
    made = subprocess.run(
        [sys.executable, DATA / "to_accord.py", *parts], capture_output=True, check=True, timeout=60
    )
    path = folder / "records.jsonl"
    path.write_bytes(made.stdout)
    return path


def content(row: dict[str, Any]) -> dict[str, Any]:
    """A record but for its time, which these sets do not know."""
    return {name: value for name, value in row.items() if name != "created"}


def test_graded_and_shared_judgements_come_out_as_they_went_in(records: Path, tmp_path: Path) -> None:
    project = make_project()
    given = [json.loads(line) for line in records.read_text().splitlines()]
    counts = preferences_import(project, read_preferences(records, None))
    assert counts.read == len(given) > 150
    assert counts.kept + counts.refused.total() == counts.read
    assert set(counts.refused) <= {Reason.IDENTICAL_RESPONSES, Reason.EMPTY_RESPONSE, Reason.BAD_CONTEXT}
    assert counts.refused.total() < 0.05 * counts.read

    out = export(project, tmp_path / "out.jsonl")
    written = {row["id"]: content(row) for row in map(json.loads, out.read_text().splitlines())}
    expected = {row["id"]: content({**row, "domain": row["domain"] or "general"}) for row in given}
    assert len(written) == counts.kept
    assert all(row == expected[name] for name, row in written.items())
    assert Comparison.objects.filter(num_judgements__gt=1).exists()
    assert Judgement.objects.count() == counts.kept

    folder = tmp_path / "folder"
    write_folder(
        folder, exported_records(project), export_of(project, ALL, format_="accord", encoding="parquet")
    )
    other = make_project("other")
    again = preferences_import(other, read_preferences(folder, None))
    assert (again.kept, again.refused.total()) == (counts.kept, 0)
    assert export(other, tmp_path / "back.jsonl").read_bytes() == out.read_bytes()


def export(project: Project, path: Path) -> Path:
    """All judgements of the project as JSON lines."""
    made = export_of(project, ALL, format_="accord", encoding="jsonl")
    write_file(path, exported_records(project), made)
    return path
