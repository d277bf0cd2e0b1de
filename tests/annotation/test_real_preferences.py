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
from annotation.models import Comparison, Judgement
from annotation.services import preferences_import
from tests.annotation.factories import make_project

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
SETS = (
    *("arena_battles_100", "autoj_pairwise_58scenarios", "cohere_graded_ratings", "finegrained_qa_feedback"),
    *("lamp_edit_rankings", "lamp_human_edits", "lfqa_expert_justified"),
)
LINES = 25

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
    assert counts.read == len(given) > 200
    assert counts.kept + counts.refused.total() == counts.read
    assert set(counts.refused) <= {Reason.IDENTICAL_RESPONSES, Reason.EMPTY_RESPONSE, Reason.BAD_CONTEXT}
    assert counts.refused.total() < 0.05 * counts.read

    out = tmp_path / "out.jsonl"
    everything = PreferenceFilter()
    write_file(
        out, exported_records(project), export_of(project, everything, format_="accord", encoding="jsonl")
    )
    written = {row["id"]: content(row) for row in map(json.loads, out.read_text().splitlines())}
    expected = {row["id"]: content({**row, "domain": row["domain"] or "general"}) for row in given}
    assert len(written) == counts.kept
    assert all(row == expected[name] for name, row in written.items())
    shared = Comparison.objects.filter(num_judgements__gt=1)
    assert shared.exists()
    assert Judgement.objects.count() == counts.kept

    folder = tmp_path / "folder"
    write_folder(
        folder,
        exported_records(project),
        export_of(project, everything, format_="accord", encoding="parquet"),
    )
    other = make_project("other")
    again = preferences_import(other, read_preferences(folder, None))
    assert (again.kept, again.refused.total()) == (counts.kept, 0)
    back = tmp_path / "back.jsonl"
    write_file(
        back, exported_records(other), export_of(other, everything, format_="accord", encoding="jsonl")
    )
    assert back.read_bytes() == out.read_bytes()
