"""The detectors against a marked set, and each check against numbers whose truth is known."""

import re
import time

import pytest

from annotation.privacy import Kind, find
from pretrain.personal_data.checksums import is_card, is_cn_id, is_iban, is_luhn, is_us_ssn
from tests.annotation.privacy.labelled import HARD, MARKED

MARK = re.compile(r"⟦([A-Z_]+)\|(.*?)⟧", re.S)
Spans = set[tuple[str, int, int]]


def unmarked(marked: str) -> tuple[str, Spans]:
    """The text without its marks, and what they mark."""
    text, spans, position = "", set(), 0
    for match in MARK.finditer(marked):
        text += marked[position : match.start()]
        spans.add((match[1], len(text), len(text) + len(match[2])))
        text += match[2]
        position = match.end()
    return text + marked[position:], spans


def test_precision_and_recall_on_the_marked_set() -> None:
    right = wrong = missed = 0
    report: list[str] = []
    for marked in (*MARKED, *HARD):
        text, spans = unmarked(marked)
        found = {(finding.kind.value, finding.start, finding.end) for finding in find(text)}
        right, wrong, missed = (
            right + len(found & spans),
            wrong + len(found - spans),
            missed + len(spans - found),
        )
        report += [f"wrong {kind}: {text[start:end]}" for kind, start, end in found - spans]
        report += [f"missed {kind}: {text[start:end]}" for kind, start, end in spans - found]
    assert right / (right + wrong) >= 0.98, (right, report)
    assert right / (right + missed) >= 0.95, (right, report)
    assert (right, wrong, missed) == (58, 0, 2)


@pytest.mark.parametrize(
    ("good", "check"),
    [
        ("79927398713", is_luhn),
        ("4111111111111111", is_card),
        ("378282246310005", is_card),
        ("DE89370400440532013000", is_iban),
        ("MT84MALT011000012345MTLCAST001S", is_iban),
        ("11010519491231002X", is_cn_id),
        ("219099999", is_us_ssn),
    ],
)
def test_one_wrong_digit_breaks_a_check(good: str, check: object) -> None:
    assert callable(check)
    assert check(good)
    if check is not is_us_ssn:
        place = next(place for place in range(len(good) - 2, 0, -1) if good[place].isdigit())
        other = str((int(good[place]) + 1) % 10)
        assert not check(good[:place] + other + good[place + 1 :])


def test_a_card_of_no_network_is_none_though_it_passes_luhn() -> None:
    assert is_luhn("0000000000000000")
    assert not is_card("0000000000000000")


@pytest.mark.parametrize(
    "text", ["1" * 50_000, "a@" * 25_000, "+1 " * 20_000, "1.2.3." * 10_000, "::" * 25_000]
)
def test_a_hostile_text_takes_no_longer_than_another(text: str) -> None:
    begin = time.process_time()
    find(text)
    find("-----BEGIN PRIVATE KEY-----" * 2000 + "password:" * 2000)
    assert time.process_time() - begin < 2


def test_the_value_does_not_depend_on_the_way_of_writing() -> None:
    values = [find(text)[0].value for text in ("DE89 3704 0044 0532 0130 00", "DE89370400440532013000")]
    assert len(set(values)) == 1
    assert find("BO@example.com")[0].value == find("bo@EXAMPLE.com")[0].value
    assert find("") == []
    assert {finding.kind for finding in find("+1 415 555 2671 bo@example.com")} == {Kind.PHONE, Kind.EMAIL}
