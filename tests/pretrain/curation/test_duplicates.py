"""MinHash, groups, keepers and line counts: exact, and whatever the order."""

import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pretrain.curation.clusters import group
from pretrain.curation.documents import Document
from pretrain.curation.keepers import ROW, date_number, losers, row_of
from pretrain.curation.line_counts import frequent, line_hash, line_table, without_lines
from pretrain.curation.minhash import MinHashRecipe, Signer, similarity
from pretrain.curation.urls import Domains, canonical_url, host_of
from pretrain.curation.words import Segments
from tests.pretrain.curation.texts import changed, prose

TABLES = st.lists(
    st.lists(st.integers(0, 2**64 - 1) | st.sampled_from([0, 1, 2**63, 2**64 - 1]), max_size=30), max_size=6
)


def test_the_estimated_similarity_is_near_the_true_one() -> None:
    signer = Signer(MinHashRecipe(bands=64, rows=16))
    for seed, num_changed in enumerate((0, 2, 8, 30)):
        one, other = Segments(prose(seed, 400)), Segments(changed(prose(seed, 400), num_changed, seed))
        sets = [set(signer.shingles(text).tolist()) for text in (one, other)]
        true = len(sets[0] & sets[1]) / len(sets[0] | sets[1])
        signatures = [signer.signature(text) for text in (one, other)]
        assert signatures[0] is not None
        assert signatures[1] is not None
        # 1024 hashes: standard error at most 0.016
        assert similarity(signatures[0], signatures[1]) == pytest.approx(true, abs=0.06)


def test_a_signature_is_the_same_on_every_machine() -> None:
    signature = Signer(MinHashRecipe(bands=2, rows=2)).signature(Segments("The cat sat on the mat, again."))
    assert signature is not None
    assert signature.tolist() == [382187205, 649234898, 184125738, 772224134]


def test_a_text_without_words_equals_nothing_and_a_short_one_itself() -> None:
    signer = Signer(MinHashRecipe())
    assert signer.signature(Segments("... !")) is None
    one, other = signer.signature(Segments("Good day.")), signer.signature(Segments("good day"))
    assert one is not None
    assert other is not None
    assert similarity(one, other) == 1


def partition(groups: np.ndarray, names: list[int]) -> set[frozenset[int]]:
    """The groups by the names of their documents."""
    return {
        frozenset(name for name, own in zip(names, groups.tolist(), strict=True) if own == number)
        for number in set(groups.tolist())
    }


def signatures_of(signer: Signer, texts: list[str]) -> NDArray[np.uint32]:
    """(D, H); every text has words."""
    found = [signer.signature(Segments(text)) for text in texts]
    return np.stack([signature for signature in found if signature is not None])


@pytest.mark.parametrize("documents_at_once", [7, 1_000_000])
def test_groups_do_not_depend_on_order_or_memory(documents_at_once: int) -> None:
    signer = Signer(MinHashRecipe())
    texts = [changed(prose(seed, 400), copy, copy) for seed in range(12) for copy in range(4)]
    signatures = signatures_of(signer, texts)
    expected = partition(group(signatures, signer), list(range(len(texts))))
    assert len(expected) == 12
    order = random.Random(5).sample(range(len(texts)), len(texts))
    found = group(signatures[order], signer, documents_at_once=documents_at_once)
    assert partition(found, order) == expected


def test_documents_that_share_a_band_but_are_less_alike_stay_apart() -> None:
    signer = Signer(MinHashRecipe(bands=112, rows=1, min_similarity=0.9))
    texts = [prose(1), changed(prose(1), 12, 1)]
    assert group(signatures_of(signer, texts), signer).tolist() == [0, 1]


def test_the_newest_or_the_longest_stays_whatever_the_order() -> None:
    made = [
        Document(text="a", source="x", offset=0, date="2024-05-01T00:00:00Z"),
        Document(text="bbb", source="x", offset=1, date="2023"),
        Document(text="cc", source="y", offset=0, date=None),
    ]
    rows = np.array([row_of(document, bytes(16), 0, place) for place, document in enumerate(made)], dtype=ROW)
    for order in ([0, 1, 2], [2, 1, 0], [1, 2, 0]):
        for prefer, stays in (("newest", 0), ("longest", 1)):
            gone, keepers = losers(rows[order], prefer)  # type: ignore[arg-type]  # one of two literals
            assert set(gone["row"].tolist()) == {0, 1, 2} - {stays}
            assert set(keepers["row"].tolist()) == {stays}
    assert date_number("2024-05-01") < date_number("2024-05-01T00:00:01") < date_number("2024-06")


@given(TABLES, st.integers(1, 3), st.integers(1, 40))
@settings(max_examples=40, deadline=None)
def test_frequent_lines_are_those_of_a_naive_count(tables: list[list[int]], most: int, at_once: int) -> None:
    counts = Counter(number for table in tables for number in table)
    found = frequent([line_table(table) for table in tables], most, at_once)
    assert found.tolist() == sorted(number for number, count in counts.items() if count > most)


def test_lines_go_and_blank_ones_stay() -> None:
    assert without_lines("Menu\n\nText\n  Menu ", frozenset({line_hash("Menu")})) == ("Text", 2)


def test_addresses_have_one_form() -> None:
    same = [
        "https://www.Example.org/a/?b=2&a=1&utm_source=x#top",
        "http://example.org:80/a?a=1&b=2",
        "example.org/a?a=1&b=2&fbclid=z",
    ]
    assert len({canonical_url(url) for url in same}) == 1
    assert canonical_url("http://example.org/A") != canonical_url("http://example.org/a")
    assert canonical_url("http://[broken") == "http://[broken"
    assert canonical_url("http://example.org:99999/") == "http://example.org:99999/"


def test_a_domain_on_a_list_covers_what_is_below_it() -> None:
    domains = Domains(["0.0.0.0 bad.example # adult", "*.worse.example", "", "# a comment"])
    assert domains.match(host_of("https://www.bad.example/x")) == "bad.example"
    assert domains.match(host_of("http://a.b.worse.example")) == "worse.example"
    assert domains.match(host_of("http://notbad.example")) is None
