"""Reading other people's files: each bad row is refused with its line and reason, the rest is read."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from annotation.importing.preferences import Format, ReadRecord, read_preferences
from annotation.importing.prompts import ImportedPrompt, read_prompts
from annotation.importing.refusal import Reason, Refusal
from annotation.records import Message, Strength

CONTEXT = [{"role": "user", "content": "Why?"}]
RESPONSES = [
    {"content": "Because.", "model": "m1", "origin": "chosen"},
    {"content": "No.", "model": "m2", "origin": "rejected"},
]
ACCORD: dict[str, Any] = {
    "id": "r1",
    "domain": "general",
    "language": "en",
    "round": 1,
    "context": CONTEXT,
    "responses": RESPONSES,
    "strength": "slightly_better",
    "annotator": "p-1",
    "created": "2026-01-31T12:00:00+00:00",
}
HH = {
    "chosen": "\n\nHuman: Why?\n\nAssistant: Because.",
    "rejected": "\n\nHuman: Why?\n\nAssistant: No.",
}
TRL = {
    "prompt": CONTEXT,
    "chosen": [{"role": "assistant", "content": "Because."}],
    "rejected": [{"role": "assistant", "content": "No."}],
}


def read_one(folder: Path, row: object, format_: Format | None = None) -> ReadRecord | Refusal:
    """What becomes of a file with this one row."""
    path = folder / "rows.jsonl"
    path.write_text(json.dumps(row) + "\n")
    [only] = read_preferences(path, format_)
    return only


@pytest.mark.parametrize(("row", "format_"), [(ACCORD, Format.ACCORD), (HH, Format.HH), (TRL, Format.TRL)])
def test_each_format_is_told_by_its_fields(tmp_path: Path, row: object, format_: Format) -> None:
    read = read_one(tmp_path, row)
    assert isinstance(read, ReadRecord)
    assert read.format == format_
    assert read.record.context == (Message(role="user", content="Why?"),)
    assert [response.content for response in read.record.responses] == ["Because.", "No."]


def test_an_accord_record_is_read_as_it_is(tmp_path: Path) -> None:
    edited = {"content": "Because of that.", "model": "person", "origin": "edited"}
    row = {**ACCORD, "responses": [edited, *RESPONSES]}
    read = read_one(tmp_path, row)
    assert isinstance(read, ReadRecord)
    assert read.record.model_dump(mode="json") == row


def test_what_an_accord_record_leaves_out_gets_a_plain_value(tmp_path: Path) -> None:
    row = {
        "context": CONTEXT,
        "responses": RESPONSES,
        "strength": "better",
        "created": None,
        "note": "passed over",
    }
    read = read_one(tmp_path, row)
    assert isinstance(read, ReadRecord)
    record = read.record
    assert (record.domain, record.language, record.round, record.annotator) == ("general", "en", 0, "unknown")
    assert record.id.startswith("accord-")
    again = read_one(tmp_path, row)
    assert isinstance(again, ReadRecord)
    assert again.record.id == record.id


def test_tool_calls_of_a_context_are_kept(tmp_path: Path) -> None:
    call = {"role": "assistant", "content": "go()", "tool_call": True}
    context = [*CONTEXT, call, {"role": "ipython", "content": "1"}]
    read = read_one(tmp_path, {**ACCORD, "context": context})
    assert isinstance(read, ReadRecord)
    assert [message.tool_call for message in read.record.context] == [False, True, False]
    assert read.record.model_dump(mode="json")["context"] == context


def test_an_answer_that_calls_a_tool_is_kept_as_one(tmp_path: Path) -> None:
    call = {"role": "assistant", "content": "find()", "tool_call": True}
    read = read_one(tmp_path, {**TRL, "chosen": [call]})
    assert isinstance(read, ReadRecord)
    assert [response.tool_call for response in read.record.responses] == [True, False]
    again = read_one(tmp_path, read.record.model_dump(mode="json"))
    assert isinstance(again, ReadRecord)
    assert again.record == read.record
    words = read_one(tmp_path, {**TRL, "chosen": [{**call, "tool_call": None}]})
    assert isinstance(words, ReadRecord)
    assert words.record.id != read.record.id
    both = read_one(tmp_path, {**TRL, "chosen": [call], "rejected": [{**call, "tool_call": False}]})
    assert isinstance(both, ReadRecord)


def test_hh_and_trl_pairs_are_better_because_they_have_no_strength(tmp_path: Path) -> None:
    for row in (HH, TRL):
        read = read_one(tmp_path, row)
        assert isinstance(read, ReadRecord)
        assert read.record.strength == Strength.BETTER


def test_an_hh_transcript_is_split_into_its_turns(tmp_path: Path) -> None:
    turns = "\n\nHuman: Hi\n\nAssistant: Hello.\n\nHow are you?\n\nHuman: Well\n\nAssistant:"
    read = read_one(tmp_path, {"chosen": f"{turns} Good.", "rejected": f"{turns} Bad."})
    assert isinstance(read, ReadRecord)
    assert [(message.role, message.content) for message in read.record.context] == [
        ("user", "Hi"),
        ("assistant", "Hello.\n\nHow are you?"),
        ("user", "Well"),
    ]


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "Why?", "chosen": "Because.", "rejected": "No."},
        {"chosen": CONTEXT + TRL["chosen"], "rejected": CONTEXT + TRL["rejected"]},
        {"prompt": "Why?", "chosen": CONTEXT + TRL["chosen"], "rejected": CONTEXT + TRL["rejected"]},
        {**TRL, "score_chosen": 8.5, "score_rejected": 2.0},
    ],
)
def test_trl_forms_with_and_without_prompt_are_the_same(tmp_path: Path, row: object) -> None:
    read = read_one(tmp_path, row)
    assert isinstance(read, ReadRecord)
    assert read.record == read_one(tmp_path, TRL).record  # type: ignore[union-attr]


def messages(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    """A context."""
    return [{"role": role, "content": content} for role, content in pairs]


def hh(turns: str, chosen: str = " Yes.", rejected: str = " No.") -> dict[str, str]:
    """An hh row whose last answers are these."""
    return {"chosen": f"{turns}{chosen}", "rejected": f"{turns}{rejected}"}


BAD_ROWS: list[tuple[object, Reason]] = [
    ([1, 2], Reason.NOT_AN_OBJECT),
    ("text", Reason.NOT_AN_OBJECT),
    (None, Reason.NOT_AN_OBJECT),
    ({}, Reason.UNKNOWN_FORMAT),
    ({"transcript": "\n\nHuman: Hi"}, Reason.UNKNOWN_FORMAT),
    ({"chosen": "plain", "rejected": "text"}, Reason.UNKNOWN_FORMAT),
    ({**ACCORD, "context": "Why?"}, Reason.WRONG_TYPE),
    ({**ACCORD, "context": []}, Reason.BAD_CONTEXT),
    ({**ACCORD, "context": ["Why?"]}, Reason.WRONG_TYPE),
    ({**ACCORD, "context": [{"role": "user"}]}, Reason.MISSING),
    ({**ACCORD, "context": messages(("wizard", "Why?"))}, Reason.UNKNOWN_ROLE),
    ({**ACCORD, "context": [{"role": "user", "content": "Why?", "tool_call": True}]}, Reason.WRONG_TYPE),
    ({**ACCORD, "context": [{"role": ["user"], "content": "Why?"}]}, Reason.UNKNOWN_ROLE),
    ({**ACCORD, "context": [{"role": "user", "content": 1}]}, Reason.WRONG_TYPE),
    ({**ACCORD, "context": messages(("user", "  "))}, Reason.EMPTY_MESSAGE),
    ({**ACCORD, "context": messages(("user", "nul \0"))}, Reason.NOT_STORABLE),
    ({**ACCORD, "context": messages(("user", "half \ud83d"))}, Reason.NOT_STORABLE),
    ({**ACCORD, "context": messages(("user", "a"), ("user", "b"))}, Reason.SAME_SPEAKER_TWICE),
    ({**ACCORD, "context": messages(("user", "a"), ("assistant", "b"))}, Reason.BAD_CONTEXT),
    ({**ACCORD, "context": messages(("assistant", "a"), ("user", "b"))}, Reason.BAD_CONTEXT),
    ({**ACCORD, "context": messages(("system", "a"))}, Reason.BAD_CONTEXT),
    ({**ACCORD, "context": messages(("user", "a"), ("system", "b"), ("user", "c"))}, Reason.BAD_CONTEXT),
    ({**ACCORD, "responses": None}, Reason.MISSING),
    ({**ACCORD, "responses": {}}, Reason.WRONG_TYPE),
    ({**ACCORD, "responses": ["a", "b"]}, Reason.WRONG_TYPE),
    ({**ACCORD, "responses": RESPONSES[:1]}, Reason.WRONG_RESPONSES),
    ({**ACCORD, "responses": RESPONSES[::-1]}, Reason.WRONG_RESPONSES),
    ({**ACCORD, "responses": [*RESPONSES, RESPONSES[1]]}, Reason.WRONG_RESPONSES),
    ({**ACCORD, "responses": [{**RESPONSES[0], "origin": "best"}, RESPONSES[1]]}, Reason.WRONG_RESPONSES),
    ({**ACCORD, "responses": [{**RESPONSES[0], "content": " \n"}, RESPONSES[1]]}, Reason.EMPTY_RESPONSE),
    ({**ACCORD, "responses": [{**RESPONSES[0], "content": True}, RESPONSES[1]]}, Reason.WRONG_TYPE),
    (
        {**ACCORD, "responses": [{**RESPONSES[0], "content": "No. "}, RESPONSES[1]]},
        Reason.IDENTICAL_RESPONSES,
    ),
    ({**ACCORD, "strength": "much_better"}, Reason.UNKNOWN_STRENGTH),
    ({**ACCORD, "strength": 3}, Reason.UNKNOWN_STRENGTH),
    ({**ACCORD, "strength": None}, Reason.MISSING),
    ({**ACCORD, "round": -1}, Reason.WRONG_TYPE),
    ({**ACCORD, "round": True}, Reason.WRONG_TYPE),
    ({**ACCORD, "created": "yesterday"}, Reason.WRONG_TYPE),
    ({**ACCORD, "created": 5}, Reason.WRONG_TYPE),
    ({**ACCORD, "annotator": 7}, Reason.WRONG_TYPE),
    ({**ACCORD, "annotator": "p" * 101}, Reason.TOO_LARGE),
    ({**ACCORD, "id": "r" * 161}, Reason.TOO_LARGE),
    (hh("\n\nHuman: Hi\n\nAssistant:", chosen=""), Reason.EMPTY_RESPONSE),
    (hh("\n\nHuman: Hi\n\nAssistant:", rejected=" Yes."), Reason.IDENTICAL_RESPONSES),
    (hh("\n\nHuman: Hi\n\nHuman: Hi\n\nAssistant:"), Reason.SAME_SPEAKER_TWICE),
    (hh("\n\nHuman: Hi\n\nAssistant: a\n\nAssistant:"), Reason.SAME_SPEAKER_TWICE),
    (hh("\n\nHuman: \n\nAssistant:"), Reason.EMPTY_MESSAGE),
    (hh("\n\nHuman: Hi\n\nAssistant: a\n\nHuman:"), Reason.EMPTY_RESPONSE),
    (hh("\n\nAssistant:"), Reason.BAD_CONTEXT),
    ({**HH, "rejected": "\n\nHuman: Who?\n\nAssistant: No."}, Reason.DIFFERENT_CONTEXTS),
    ({**HH, "rejected": "No."}, Reason.UNKNOWN_FORMAT),
    ({**HH, "rejected": None}, Reason.MISSING),
    ({**TRL, "chosen": []}, Reason.EMPTY_RESPONSE),
    ({**TRL, "chosen": messages(("user", "a"))}, Reason.EMPTY_RESPONSE),
    ({**TRL, "chosen": messages(("assistant", ""))}, Reason.EMPTY_RESPONSE),
    (
        {**TRL, "chosen": [{"role": "assistant", "content": "find()", "tool_call": "yes"}]},
        Reason.WRONG_TYPE,
    ),
    ({**TRL, "rejected": TRL["chosen"]}, Reason.IDENTICAL_RESPONSES),
    ({**TRL, "strength": "best"}, Reason.UNKNOWN_STRENGTH),
    ({**TRL, "rejected": messages(("user", "Who?"), ("assistant", "No."))}, Reason.DIFFERENT_CONTEXTS),
]


@pytest.mark.parametrize(
    ("row", "reason"), BAD_ROWS, ids=[f"{n}-{row[1].name}" for n, row in enumerate(BAD_ROWS)]
)
def test_a_bad_row_is_refused_with_its_reason(tmp_path: Path, row: object, reason: Reason) -> None:
    refusal = read_one(tmp_path, row)
    assert isinstance(refusal, Refusal), refusal
    assert (refusal.line, refusal.reason) == (1, reason), refusal


def test_bad_lines_are_refused_one_by_one_and_the_rest_is_read(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    good = json.dumps(ACCORD).encode()
    lines = [good, b"", b"{broken", b"\xff\xfe", b'{"a": NaN}', b"[" * 100_000, good[:-9], good]
    path.write_bytes(b"\xef\xbb\xbf" + b"\n".join(lines))
    rows = list(read_preferences(path, None))
    assert [row.line for row in rows] == [1, 3, 4, 5, 6, 7, 8]
    assert [row.reason for row in rows if isinstance(row, Refusal)] == [
        Reason.NOT_JSON,
        Reason.NOT_UTF8,
        Reason.NOT_JSON,
        Reason.NOT_JSON,
        Reason.NOT_JSON,
    ]
    assert [row.line for row in rows if isinstance(row, ReadRecord)] == [1, 8]


def test_an_endless_line_is_refused_without_reading_it_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("annotation.importing.lines.MAX_LINE_BYTES", 1000)
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"x" * 5000 + b"\n" + json.dumps(ACCORD).encode())
    first, second = read_preferences(path, None)
    assert isinstance(first, Refusal)
    assert (first.line, first.reason) == (1, Reason.TOO_LONG)
    assert (second.line, type(second)) == (2, ReadRecord)


def test_gzip_is_read_and_a_cut_off_file_keeps_its_whole_rows(tmp_path: Path) -> None:
    rows = [json.dumps({**ACCORD, "id": str(number)}).encode() + b"\n" for number in range(2000)]
    whole = gzip.compress(b"".join(rows))
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(whole)
    assert sum(isinstance(row, ReadRecord) for row in read_preferences(path, None)) == 2000
    path.write_bytes(whole[: len(whole) // 2])
    *kept, last = read_preferences(path, None)
    assert isinstance(last, Refusal)
    assert last.reason == Reason.CUT_OFF
    assert kept
    assert all(isinstance(row, ReadRecord) for row in kept)


def test_damaged_gzip_and_empty_files_have_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(b"\x1f\x8b" + b"nonsense" * 10)
    [refusal] = read_preferences(path, None)
    assert isinstance(refusal, Refusal)
    assert refusal.reason == Reason.CUT_OFF
    path.write_bytes(b"")
    assert list(read_preferences(path, None)) == []


def read_prompt(folder: Path, row: object) -> ImportedPrompt | Reason:
    """What becomes of one prompt row."""
    path = folder / "prompts.jsonl"
    path.write_text(json.dumps(row))
    [only] = read_prompts(path)
    return only.reason if isinstance(only, Refusal) else only.prompt


def test_a_prompt_is_a_context_or_a_text_with_a_system_prompt(tmp_path: Path) -> None:
    context = messages(("system", "Be short."), ("user", "Why?"))
    from_context = read_prompt(tmp_path, {"context": context})
    assert from_context == read_prompt(tmp_path, {"prompt": "Why?", "system": "Be short."})
    whole = {"id": "p1", "domain": "code", "language": "de", "prompt": "Why?", "split": "holdout"}
    prompt = read_prompt(tmp_path, whole)
    assert isinstance(prompt, ImportedPrompt)
    assert (prompt.id, prompt.domain, prompt.language, prompt.split) == ("p1", "code", "de", "holdout")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({}, Reason.MISSING),
        ({"prompt": ""}, Reason.EMPTY_MESSAGE),
        ({"prompt": 3}, Reason.WRONG_TYPE),
        ({"prompt": "Why?", "system": 3}, Reason.WRONG_TYPE),
        ({"prompt": "Why?", "split": "test"}, Reason.WRONG_TYPE),
        ({"prompt": "Why?", "domain": ["code"]}, Reason.WRONG_TYPE),
        ({"context": messages(("assistant", "a"))}, Reason.BAD_CONTEXT),
    ],
)
def test_a_bad_prompt_is_refused(tmp_path: Path, row: object, reason: Reason) -> None:
    assert read_prompt(tmp_path, row) == reason
