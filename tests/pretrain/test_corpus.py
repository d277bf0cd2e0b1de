"""Reading a corpus: each bad row refused with its line and reason, the rest kept."""

import gzip
import json
from pathlib import Path

import pytest

from pretrain.corpus import MAX_DOCUMENT_CHARACTERS, Document, read_corpus, split_documents
from pretrain.run import ProgramError
from tests.pretrain.factories import corpus_rows, sentences, write_rows

USER = {"role": "user", "content": "q"}
ASSISTANT = {"role": "assistant", "content": "a"}

BAD_LINES = [
    (b'{"text": "cut', "no JSON"),
    (b"[1, 2]", "no JSON object"),
    (b'{"text": "\xff\xfe"}', "not UTF-8"),
    (b'{"text": 3}', 'neither a string "text" nor "messages"'),
    (b"{}", 'neither a string "text" nor "messages"'),
    (b'{"text": "  "}', "empty"),
    (b'{"text": "\\ud800"}', "surrogate"),
    (json.dumps({"messages": []}).encode(), "no list of messages"),
    (json.dumps({"messages": ["hello"]}).encode(), 'no string "content"'),
    (json.dumps({"messages": [{"role": "bot", "content": "x"}]}).encode(), "the role 'bot' is none of"),
    (json.dumps({"messages": [USER, USER]}).encode(), "user speaks twice in a row"),
    (json.dumps({"messages": [USER, {"role": "assistant", "content": ""}]}).encode(), "assistant is empty"),
    (json.dumps({"messages": [{**USER, "tool_call": True}]}).encode(), "true only for the assistant"),
    (json.dumps({"messages": [{**USER, "tool_call": "no"}]}).encode(), '"tool_call" is true or false'),
]


@pytest.mark.parametrize(("line", "reason"), BAD_LINES)
def test_a_bad_row_is_refused_with_its_line_and_the_rest_is_kept(
    tmp_path: Path, line: bytes, reason: str
) -> None:
    good = json.dumps({"messages": [USER, ASSISTANT]}).encode()
    (tmp_path / "rows.jsonl").write_bytes(b"\n".join([b'{"text": "one", "more": 1}', line, b"", good]))
    corpus = read_corpus(tmp_path / "rows.jsonl")
    assert [document.text for document in corpus.documents] == ["one", None]
    assert corpus.documents[1].pieces() == ["user", "\n\nq", "assistant", "\n\na"]
    (refusal,) = corpus.refusals
    assert refusal.line == 2
    assert reason in refusal.reason


def test_a_folder_is_read_in_the_order_of_its_names(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "two.txt").write_text("two")
    (tmp_path / "one.jsonl.gz").write_bytes(gzip.compress(b'{"text": "one"}\n'))
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(b"zero"))
    (tmp_path / ".hidden.txt").write_text("hidden")
    corpus = read_corpus(tmp_path)
    assert [document.text for document in corpus.documents] == ["zero", "two", "one"]
    assert corpus.num_files == 4
    assert [(Path(refusal.file).name, refusal.line) for refusal in corpus.refusals] == [("picture.png", 0)]


def test_what_comes_before_the_end_of_a_truncated_gzip_file_is_kept(tmp_path: Path) -> None:
    whole = gzip.compress(b"".join(json.dumps({"text": t}).encode() + b"\n" for t in sentences(5000)))
    (tmp_path / "rows.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    corpus = read_corpus(tmp_path)
    assert 0 < len(corpus.documents) < 5000
    assert "cut short" in corpus.refusals[-1].reason


def test_a_text_file_with_a_broken_line_keeps_the_others(tmp_path: Path) -> None:
    (tmp_path / "book.txt").write_bytes(b"first\n\xff\nthird\n")
    corpus = read_corpus(tmp_path / "book.txt")
    assert [document.text for document in corpus.documents] == ["first\nthird\n"]
    assert [refusal.line for refusal in corpus.refusals] == [2]


def test_a_long_text_is_cut_at_line_ends_and_loses_nothing(tmp_path: Path) -> None:
    text = "".join(f"line {number}\n" for number in range(30_000))
    (tmp_path / "book.txt").write_text(text)
    documents = read_corpus(tmp_path).documents
    assert len(documents) > 1
    parts = [document.text or "" for document in documents]
    assert "".join(parts) == text
    assert all(part.endswith("\n") and len(part) <= MAX_DOCUMENT_CHARACTERS for part in parts)


@pytest.mark.parametrize("content", [b"", b"\n \n", b'{"text": ""}\n', b"\x1f\x8b\x08"])
def test_a_corpus_with_no_text_is_refused_in_one_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "rows.jsonl").write_bytes(content)
    with pytest.raises(ProgramError, match="There is no text in the corpus"):
        read_corpus(tmp_path)


def test_a_corpus_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProgramError, match="There is no corpus at"):
        read_corpus(tmp_path / "nowhere")
    with pytest.raises(ProgramError, match="There is no text"):
        read_corpus(tmp_path)


def test_the_split_keeps_equal_documents_together_and_depends_on_the_seed(tmp_path: Path) -> None:
    documents = read_corpus(write_rows(tmp_path / "rows.jsonl", corpus_rows(400))).documents
    training, holdout = split_documents(documents, 0.1, seed=1)
    assert not set(training) & set(holdout)
    assert len(training) + len(holdout) == 400
    assert len(holdout) >= 40
    assert split_documents(documents, 0.1, seed=1) == (training, holdout)
    assert split_documents(documents, 0.1, seed=2)[0] != training


def test_a_corpus_of_one_document_trains_on_it() -> None:
    only = Document(text="one")
    assert split_documents((only, only), 0.1, seed=0) == ([only, only], [only, only])
