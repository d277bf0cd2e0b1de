"""Refusals in the reader's language: every kind and every detail has its words; pieces of the file stay."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.utils import translation

import annotation.importing
from annotation.importing.encodings import ARCHIVES
from annotation.importing.refusal import Reason, Refusal
from annotation.refusal_details import _patterns
from annotation.refusal_words import _REFUSAL, reason_words, refusal_words


@pytest.mark.parametrize("reason", list(Reason))
@pytest.mark.parametrize(
    ("line", "where"),
    [(3, "line"), (12, "part: a.parquet, row"), (0, "line"), (0, "odd: train.parquet, row")],
)
def test_every_refusal_is_taken_apart_and_put_together_again(reason: Reason, line: int, where: str) -> None:
    for detail in ("", "context: not JSON, row 7"):
        refusal = str(Refusal(line=line, reason=reason, detail=detail, where=where))
        parts = _REFUSAL.fullmatch(refusal)
        assert parts is not None and parts["reason"] == reason.value
        assert parts["detail"].removeprefix(": ") == detail
        assert (parts["number"] or "0") == str(line)
        assert refusal_words(refusal) == refusal


def test_what_an_older_version_wrote_stays_as_it_is() -> None:
    assert reason_words("a reason of an older version") == "a reason of an older version"
    assert refusal_words("line 3: a reason of an older version") == "line 3: a reason of an older version"


PUT_TOGETHER = {"it is 7", "7 holds no Parquet, Arrow or JSON lines7"}
"""Of pieces with words of their own: each has its templates."""


def sentences() -> Iterator[str]:
    """Each detail that the importers write with words of its own, with 7 for what they put in."""
    yield from (f"it is {archive}" for archive in ARCHIVES.values())
    for file in Path(annotation.importing.__path__[0]).glob("*.py"):
        for call in ast.walk(ast.parse(file.read_text())):
            if isinstance(call, ast.Call) and getattr(call.func, "id", "").endswith(("RowRefused", "efusal")):
                for given in [*call.args, *(keyword.value for keyword in call.keywords)]:
                    text = given.value if isinstance(given, ast.Subscript) else given
                    pieces = text.values if isinstance(text, ast.JoinedStr) else [text]
                    words = [piece.value for piece in pieces if isinstance(piece, ast.Constant)]
                    if any(isinstance(word, str) and " " in word.strip() for word in words):
                        yield "".join(
                            str(piece.value) if isinstance(piece, ast.Constant) else "7" for piece in pieces
                        )


@pytest.mark.parametrize("sentence", sorted(set(sentences()) - PUT_TOGETHER))
def test_every_sentence_of_the_importers_has_a_template(sentence: str) -> None:
    assert [template for pattern, template in _patterns() if pattern.fullmatch(sentence)], sentence


def test_a_refusal_is_wholly_in_the_readers_language_but_for_names() -> None:
    with translation.override("zh-hans"):
        words = refusal_words("line 3: a field has the wrong type: context[2] is no message")
        assert "context[2]" in words
        assert not any(word in words for word in ("line", "field", "is no", "message"))
        own = refusal_words("line 3: not JSON: Expecting value: line 1 column 1 (char 0)")
        assert own.endswith("Expecting value: line 1 column 1 (char 0)")
