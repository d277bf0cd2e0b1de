"""Files that are read beside JSON lines, and files that cannot be: what is said of each."""

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import Dataset, DatasetDict

from annotation.importing.limits import Limits
from annotation.importing.preferences import Format, ReadRecord, read_preferences
from annotation.importing.prompts import ReadPrompt, read_prompts
from annotation.importing.refusal import Reason, Refusal
from annotation.importing.tables import BATCH_ROWS
from annotation.records import PreferenceRecord
from tests.annotation.test_importing import ACCORD, CONTEXT, HH, RESPONSES, TRL

QUESTION = {"role": "user", "content": "Why?"}
IMPLICIT = {
    "chosen": [QUESTION, {"role": "assistant", "content": "Because."}],
    "rejected": [QUESTION, {"role": "assistant", "content": "No."}],
}
PLAIN = {"prompt": "Why?", "chosen": "Because.", "rejected": "No."}
SCORED = {**IMPLICIT, "prompt": "Why?", "score_chosen": 8.5, "score_rejected": 3.0}


def many(count: int) -> list[dict[str, Any]]:
    """Accord records with ids of their own."""
    return [{**ACCORD, "id": f"r{number}"} for number in range(count)]


def records(path: Path, **options: Any) -> list[PreferenceRecord]:
    """All rows of a file, which all are good."""
    read = list(read_preferences(path, None, **options))
    assert all(isinstance(row, ReadRecord) for row in read), read
    return [row.record for row in read if isinstance(row, ReadRecord)]


def refusals(path: Path, **options: Any) -> list[str]:
    """What is said of the bad rows."""
    return [str(row) for row in read_preferences(path, None, **options) if isinstance(row, Refusal)]


def as_lines(path: Path, rows: list[Any]) -> Path:
    """A JSONL file."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("row", [ACCORD, HH, TRL, IMPLICIT, PLAIN, SCORED])
def test_parquet_and_arrow_hold_what_json_lines_hold(tmp_path: Path, row: dict[str, Any]) -> None:
    tool = {"role": "user", "content": "Look it up."}
    rows = [row, {**ACCORD, "id": "tool", "context": [tool]}] if row is ACCORD else [row]
    expected = records(as_lines(tmp_path / "rows.jsonl", rows))
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet")
    Dataset.from_list(rows).save_to_disk(tmp_path / "folder")
    assert records(tmp_path / "rows.parquet") == expected
    assert records(tmp_path / "folder") == expected


def test_messages_stored_as_a_struct_of_lists_and_times_as_times_are_read(tmp_path: Path) -> None:
    columns = {key: [[message[key] for message in CONTEXT]] for key in ("role", "content")}
    table = pa.table(
        {
            "context": pa.StructArray.from_arrays(
                [pa.array(columns["role"]), pa.array(columns["content"])], names=["role", "content"]
            ),
            "responses": [RESPONSES],
            "strength": ["better"],
            "created": [datetime(2026, 1, 31, 12, tzinfo=UTC)],
        }
    )
    pq.write_table(table, tmp_path / "rows.parquet")
    [record] = records(tmp_path / "rows.parquet")
    assert record.context[0].content == "Why?"
    assert record.created == "2026-01-31T12:00:00+00:00"


def test_the_splits_of_a_saved_dataset_are_read_in_order_or_by_name(tmp_path: Path) -> None:
    rows = many(6)
    splits = {"train": Dataset.from_list(rows[:5]), "test": Dataset.from_list(rows[5:])}
    DatasetDict(splits).save_to_disk(tmp_path / "saved", num_shards={"train": 2, "test": 1})
    assert [record.id for record in records(tmp_path / "saved")] == [row["id"] for row in rows]
    assert [record.id for record in records(tmp_path / "saved", splits=["test"])] == ["r5"]
    (tmp_path / "saved" / "train" / "data-00001-of-00002.arrow").unlink()
    assert any("data-00001-of-00002.arrow is missing" in said for said in refusals(tmp_path / "saved"))


def test_a_folder_of_the_hub_is_read_file_by_file(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    rows = many(4)
    pq.write_table(pa.Table.from_pylist(rows[:2]), tmp_path / "data" / "train-00000-of-00002.parquet")
    pq.write_table(pa.Table.from_pylist(rows[2:3]), tmp_path / "data" / "train-00001-of-00002.parquet")
    as_lines(tmp_path / "data" / "validation.jsonl", [rows[3], {}])
    (tmp_path / "README.md").write_text("A card.")
    assert [row.record.id for row in read_preferences(tmp_path, None) if isinstance(row, ReadRecord)] == [
        row["id"] for row in rows
    ]
    assert refusals(tmp_path) == ["data/validation.jsonl, line 2: in no known format: its fields are none"]
    assert len(records(tmp_path, splits=["train"])) == 3
    assert "holds no Parquet" in refusals(tmp_path, splits=["test"])[0]


def test_a_saved_dataset_cannot_name_files_outside_its_folder(tmp_path: Path) -> None:
    as_lines(tmp_path / "secret.jsonl", [ACCORD])
    folder = tmp_path / "saved"
    folder.mkdir()
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": "../secret.jsonl"}]}))
    assert "lies outside the folder" in refusals(folder)[0]


def test_a_bad_row_of_a_table_is_refused_with_its_place(tmp_path: Path) -> None:
    rows = many(BATCH_ROWS + 10)
    rows[BATCH_ROWS + 1]["strength"] = "huge"
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet")
    assert refusals(tmp_path / "rows.parquet") == [f"row {BATCH_ROWS + 2}: unknown strength: 'huge'"]


def test_text_that_is_no_utf8_is_refused_in_its_row_alone(tmp_path: Path) -> None:
    texts = pa.array([b"Why?", b"Warum \xfc?", b"Why not?"]).cast(pa.binary())
    prompt = pa.Array.from_buffers(pa.string(), 3, texts.buffers())
    table = pa.table({"prompt": prompt, "chosen": ["yes"] * 3, "rejected": ["no"] * 3})
    pq.write_table(table, tmp_path / "rows.parquet")
    read = list(read_preferences(tmp_path / "rows.parquet", None))
    assert [isinstance(row, ReadRecord) for row in read] == [True, False, True]
    assert str(read[1]).startswith("row 2: not UTF-8")


@pytest.mark.parametrize("ending", ["jsonl.gz", "parquet"])
def test_a_cut_off_file_gives_what_was_whole_and_says_so(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"rows.{ending}"
    if ending == "parquet":
        pq.write_table(pa.Table.from_pylist(many(500)), path)
    else:
        lines = "".join(json.dumps(row) + "\n" for row in many(500))
        path.write_bytes(gzip.compress(lines.encode()))
    path.write_bytes(path.read_bytes()[:-200])
    assert "the file is cut off or damaged" in refusals(path)[-1]


def test_a_file_that_expands_too_far_stops_at_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "bomb.jsonl.gz"
    with gzip.open(path, "wb") as out:
        out.write(json.dumps(ACCORD).encode() + b"\n")
        for _ in range(8):
            out.write(b" " * 2**20)
    assert path.stat().st_size < 50_000
    limits = Limits(max_bytes=4 * 2**20)
    read = list(read_preferences(path, None, limits=limits))
    assert isinstance(read[0], ReadRecord)
    assert isinstance(read[-1], Refusal)
    assert read[-1].reason == Reason.TOO_MUCH
    assert "IMPORT_MAX_BYTES" in read[-1].detail
    repeated = pa.table({"prompt": pa.array(["x" * 2**16]).take(pa.array([0] * 200))})
    pq.write_table(repeated, tmp_path / "bomb.parquet", compression="zstd")
    assert (tmp_path / "bomb.parquet").stat().st_size < 2**20
    assert "IMPORT_MAX_BYTES" in refusals(tmp_path / "bomb.parquet", limits=limits)[-1]
    many_rows = as_lines(tmp_path / "rows.jsonl", many(5))
    assert "more than 3 rows" in refusals(many_rows, limits=Limits(max_rows=3))[-1]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"id,prompt,chosen,rejected\n1,Why?,Because.,No.\n", "table of text (CSV)"),
        (b"prompt\tchosen\trejected\nWhy?\ta\tb\n", "table of text (CSV)"),
        (json.dumps(ACCORD).encode("utf-16"), "it is UTF-16"),
        (json.dumps(ACCORD).encode("utf-16-le"), "it is UTF-16"),
        (json.dumps({**ACCORD, "domain": "Übung"}, ensure_ascii=False).encode("latin-1"), "iconv"),
        (json.dumps([ACCORD]).encode(), "one JSON list"),
        (b"PK\x03\x04rest", "ZIP archive"),
        (b"PAR1 and nothing else", "cut off or damaged"),
        (b"\xff\xff\xff\xff and nothing else", "cut off or damaged"),
    ],
)
def test_what_is_no_such_file_is_told_in_a_sentence(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "data"
    path.write_bytes(content)
    assert [said in sentence for sentence in refusals(path)] == [True], refusals(path)


@pytest.mark.parametrize(("chosen", "rejected"), [(3.0, 8.5), (5, 5), (float("nan"), 1.0)])
def test_scores_that_do_not_prefer_the_chosen_answer_refuse_the_row(
    tmp_path: Path, chosen: float, rejected: float
) -> None:
    pq.write_table(
        pa.Table.from_pylist([{**SCORED, "score_chosen": chosen, "score_rejected": rejected}]),
        tmp_path / "rows.parquet",
    )
    assert "its scores do not prefer" in refusals(tmp_path / "rows.parquet")[0]


def test_prompts_come_as_messages_dialogs_and_preference_rows(tmp_path: Path) -> None:
    dialog = [QUESTION, {"role": "assistant", "content": "Because."}]
    rows = [{"prompt": [QUESTION]}, {"messages": dialog}, {"prompt": "Why?", "chosen": "a", "rejected": "b"}]
    for row in rows:
        Dataset.from_list([row]).save_to_disk(tmp_path / "saved")
        [read] = read_prompts(tmp_path / "saved")
        assert isinstance(read, ReadPrompt)
        assert [message.content for message in read.prompt.context] == ["Why?"]


def test_each_row_tells_its_format_in_tables_too(tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pylist([HH, TRL | {"id": None}][:1]), tmp_path / "hh.parquet")
    [read] = read_preferences(tmp_path / "hh.parquet", None)
    assert isinstance(read, ReadRecord)
    assert read.format == Format.HH
