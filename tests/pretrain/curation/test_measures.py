"""Words, repetition and shape: hand-worked numbers, and exactness against a naive count."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pretrain.curation.code import NO_LANGUAGE, is_code
from pretrain.curation.heuristics import CODE_LEAVES_OUT, Bounds, HeuristicRecipe, Heuristics
from pretrain.curation.repetition import ngram_shares, repetition
from pretrain.curation.shape import shape
from pretrain.curation.stop_words import STOP_WORDS
from pretrain.curation.words import WORD, Segments
from tests.pretrain.curation.texts import program, prose

FEW_WORDS = st.lists(st.sampled_from(["a", "bb", "ccc", ",", "d\n"]), max_size=60).map(" ".join)


@given(st.text(alphabet="aB1_ .,'\n\u00a0\u3000é今はกा्।\u200b", max_size=60))
@settings(max_examples=60, deadline=None)
def test_words_are_what_the_pattern_finds_in_the_whole_text(text: str) -> None:
    assert Segments(text).words == WORD.findall(text)


def test_scripts_without_spaces_are_split_into_characters_and_vowel_signs_stay_with_their_word() -> None:
    assert Segments("今日はHello").words == ["今", "日", "は", "Hello"]
    assert Segments("हिन्दी है।").words == ["हिन्दी", "है", "।"]
    assert Segments("今日は良い").is_unspaced
    assert not Segments("Good day").is_unspaced


def naive_duplicated(words: list[str], n: int) -> int:
    """Characters in n-grams that stood before, each once."""
    seen: set[tuple[str, ...]] = set()
    taken: set[int] = set()
    for place in range(len(words) - n + 1):
        gram = tuple(words[place : place + n])
        if gram in seen:
            taken.update(range(place, place + n))
        seen.add(gram)
    return sum(len(words[place]) for place in taken)


def naive_top(words: list[str], n: int) -> int:
    """Characters of the most frequent n-gram, with spaces, if it stands twice."""
    counts = Counter(tuple(words[place : place + n]) for place in range(len(words) - n + 1))
    highest = max(counts.values(), default=0)
    if highest < 2:
        return 0
    return max(len(" ".join(gram)) for gram, count in counts.items() if count == highest) * highest


@given(FEW_WORDS)
@settings(max_examples=60, deadline=None)
def test_ngram_shares_are_those_of_a_naive_count(text: str) -> None:
    words, total = WORD.findall(text), max(1, len(text))
    shares = ngram_shares(Segments(text))
    for n in (2, 3, 4):
        assert shares[f"top_{n}_gram"] == pytest.approx(naive_top(words, n) / total)
    for n in range(5, 11):
        assert shares[f"duplicated_{n}_grams"] == pytest.approx(naive_duplicated(words, n) / total)


def test_repeated_lines_and_paragraphs_by_hand() -> None:
    measured = repetition(Segments("one\ntwo\n\none\n\ntwo\none\n\none"))
    assert measured["duplicate_lines"] == pytest.approx(4 / 6)
    assert measured["duplicate_line_characters"] == pytest.approx(12 / 26)
    assert measured["duplicate_paragraphs"] == pytest.approx(1 / 4)
    assert measured["duplicate_paragraph_characters"] == pytest.approx(3 / 26)


def test_shape_by_hand() -> None:
    measured = shape(Segments("- The cat and a dog.\n- more...\n#tag {x}"), STOP_WORDS["en"])
    assert measured["num_words"] == 8
    assert measured["bullet_lines"] == pytest.approx(2 / 3)
    assert measured["ellipsis_lines"] == pytest.approx(1 / 3)
    assert measured["stop_words"] == 2
    assert measured["curly_brackets"] == 1
    assert measured["mean_word_length"] == pytest.approx((3 + 3 + 3 + 1 + 3 + 4 + 3 + 1) / 8)


def test_prose_is_kept_and_a_log_is_not() -> None:
    rules = Heuristics(HeuristicRecipe())
    assert all(verdict.kept for verdict in rules.verdicts(Segments(prose(1)), "en").values())
    dropped = rules.verdicts(Segments("ERROR: connection lost, trying again\n" * 60), "en")
    assert not dropped["duplicated_10_grams"].kept
    assert dropped["duplicate_lines"].reason == "duplicate_lines above 0.3"


@pytest.mark.parametrize(
    ("url", "text", "expected"),
    [
        (None, program(1), True),
        (None, "#include <stdio.h>\nint main(void) {\n  puts(words);\n  return 0;\n}", True),
        (None, "export const Board = () => {\n  const rows = read();\n  return (\n    rows\n  );\n};", True),
        ("https://example.org/tree/read.rs?plain=1", "", True),
        (None, prose(1), False),
        (
            None,
            "Return to me; for while I wait,\nthe class (if any) is gone;\nimport no grief.",
            False,
        ),
        ("https://docs.rs", "", False),
        ("https://[broken/index.php", "- Home\n- About = us", False),
    ],
)
def test_code_is_told_by_its_address_or_its_lines(url: str | None, text: str, expected: bool) -> None:
    assert is_code(url, Segments(text)) is expected


def test_programs_are_held_to_fewer_rules_than_prose() -> None:
    rules, segments = Heuristics(HeuristicRecipe()), Segments(program(1))
    assert all(verdict.kept for verdict in rules.verdicts(segments, NO_LANGUAGE).values())
    assert not all(verdict.kept for verdict in rules.verdicts(segments, "en").values())
    log = Segments("found = found + 1\n" * 90)
    assert not all(verdict.kept for verdict in rules.verdicts(log, NO_LANGUAGE).values())


def test_an_empty_document_is_measured_too() -> None:
    assert not Heuristics(HeuristicRecipe()).verdicts(Segments(""), None)["num_words"].kept


def test_bounds_are_moved_and_rules_left_out_by_the_recipe() -> None:
    short = Segments("The cat sat. The dog ran. That was of it.")
    recipe = HeuristicRecipe(bounds={"num_words": Bounds(low=5)}, without=CODE_LEAVES_OUT)
    verdicts = Heuristics(recipe).verdicts(short, "en")
    assert verdicts["num_words"].kept
    assert "curly_brackets" not in verdicts
    with pytest.raises(ValueError, match="There is no measure colour"):
        HeuristicRecipe(without=frozenset({"colour"})).rules()
