"""Refusals in the reader's language: every kind has its words, and what was found stays as it is."""

import pytest

from annotation.importing.refusal import Reason, Refusal
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
