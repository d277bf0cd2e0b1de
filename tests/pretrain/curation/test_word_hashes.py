"""Codes of words depend on the words alone, and words are those that the filters count."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pretrain.curation import word_hashes
from pretrain.curation.word_hashes import runs, word_codes
from pretrain.curation.words import split_words

TEXTS = st.text(
    st.sampled_from("abZ09 _-'.\n\t\u00a0“’—…éÄßλςжЁ×½²ّİﬁ中文ひらกา́😀\u0085\u2028\ud800"), max_size=40
)


def counted(text: str) -> list[str]:
    """The words as the other filters split them."""
    return [word for word in split_words(text.lower()) if word[0].isalnum()]


@given(TEXTS)
@example("_private and __init__, snake_case, don't")
@example("naïve “quotes” — Привет, мир; Ωμέγα")
def test_a_word_has_the_same_code_wherever_it_stands(text: str) -> None:
    words = counted(text)
    alone = [word_codes(word) for word in words]
    assert all(len(code) == 1 for code in alone)
    assert word_codes(text).tolist() == [int(code[0]) for code in alone]


def test_different_words_have_different_codes() -> None:
    words = sorted({f"{a}{b}{n}" for a in "abcdé" for b in ("", "x", "yy") for n in range(2_000)})
    assert len(set(word_codes(" ".join(words)).tolist())) == len(words)
    assert len(set(word_codes("ab ba aab aba baa a b aa").tolist())) == 8


@pytest.mark.parametrize("at_once", [8, 20, 1000])
def test_a_long_text_is_hashed_in_parts(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    text = " ".join(f"word{n} {'x' * (n % 30)}" for n in range(200))
    whole = word_codes(text)
    monkeypatch.setattr(word_hashes, "AT_ONCE", at_once)
    assert np.array_equal(word_codes(text), whole)


def test_a_text_without_words_has_no_codes() -> None:
    for text in ("", " \n", "… — !", "_ __"):
        assert len(word_codes(text)) == 0
    assert len(runs(word_codes("one two three"), 3)) == 1
    assert len(runs(word_codes("one two"), 0)) == 0
