"""What is evaluated on is not learned: equal and near-equal prompts are found."""

import random

import pytest

from alignment.quality.overlap import EvaluationPrompts, drop_overlap, ngrams, words
from alignment.quality.recipe import OverlapRecipe
from tests.alignment.quality.factories import keys, make_example


def prompts(*texts: str | tuple[str, ...], max_similarity: float | None = 0.7) -> EvaluationPrompts:
    recipe = OverlapRecipe(max_similarity=max_similarity)
    return EvaluationPrompts([make_example("e", prompt=text).context for text in texts], recipe)


def similarity(text: str, evaluated: EvaluationPrompts) -> float | None:
    match = evaluated.match(make_example("x", prompt=text).context)
    return None if match is None else match.similarity


def test_words_are_without_case_and_sentence_marks_but_with_signs() -> None:
    assert words("What is 1 + 2?") == ("what", "is", "1", "+", "2")
    assert words("“Hello”, he said… (twice)!") == ("hello", "he", "said", "twice")
    assert words("abc我们") == ("abc", "我", "们")


def test_a_short_text_is_one_run_of_words() -> None:
    assert ngrams(("a", "b"), 3) == {("a", "b")}
    assert ngrams(("a", "b", "c", "d"), 3) == {("a", "b", "c"), ("b", "c", "d")}


def test_equal_prompts_overlap_whatever_their_case_and_marks() -> None:
    examples = [
        make_example("1", prompt="what is the capital of France"),
        make_example("2", prompt="Who is?"),
    ]
    kept, left_out = drop_overlap(examples, prompts("What is the capital of France?"))
    assert keys(kept) == ["2"]
    assert [(each.reason, each.detail) for each in left_out] == [
        ("in the evaluation prompts", "What is the capital of France?")
    ]


def test_near_duplicates_overlap_by_their_ngrams() -> None:
    evaluated = prompts("Please write a short poem about the sea in winter", max_similarity=0.5)
    # Ten and eleven words are eight and nine runs of three; the first nine words give seven in common.
    near = "Please write a short poem about the sea in spring time"
    assert similarity(near, evaluated) == pytest.approx(7 / (8 + 9 - 7))
    assert similarity("Please write a long letter about the mountains in summer", evaluated) is None


def test_the_likest_evaluation_prompt_is_named() -> None:
    evaluated = prompts(
        "Tell me how to bake rye bread at home",
        "Tell me how to bake rye bread at home in an oven",
        max_similarity=0.3,
    )
    _, left_out = drop_overlap(
        [make_example("1", prompt="Tell me how to bake rye bread at home in a pan")], evaluated
    )
    assert left_out[0].reason == "like an evaluation prompt"
    assert left_out[0].detail == "0.70: Tell me how to bake rye bread at home"


def test_near_duplicates_pass_where_only_equal_ones_count() -> None:
    evaluated = prompts("Please write a short poem about the sea", max_similarity=None)
    assert similarity("Please write a short poem about the sea now", evaluated) is None
    assert similarity("please write a short poem about the sea", evaluated) == 1.0


def test_sums_with_another_sign_are_other_prompts() -> None:
    assert similarity("What is 1 - 2?", prompts("What is 1 + 2?")) is None


def test_a_dialog_overlaps_by_its_opening_but_not_by_a_short_follow_up() -> None:
    evaluated = prompts(("How do vaccines train the immune system?", "Go on."))
    dialog = make_example("1", prompt=("How do vaccines train the immune system?", "Thanks."))
    other = make_example("2", prompt=("How do planes stay in the air?", "Go on."))
    kept, _ = drop_overlap([dialog, other], evaluated)
    assert keys(kept) == ["2"]


def test_a_short_prompt_overlaps_with_an_equal_one() -> None:
    assert similarity("hello", prompts("Hello!")) == 1.0


def test_the_index_finds_what_comparing_all_pairs_finds() -> None:
    generator = random.Random(0)
    vocabulary = ["red", "blue", "sea", "sky", "bird", "stone"]
    texts = [" ".join(generator.choices(vocabulary, k=6)) for _ in range(150)]
    evaluated = prompts(*texts[:50], max_similarity=0.4)
    for text in texts[50:]:
        grams = ngrams(words(text), 3)
        others = [ngrams(words(other), 3) for other in texts[:50]]
        best = max(len(grams & other) / len(grams | other) for other in others)
        assert similarity(text, evaluated) == (pytest.approx(best) if best >= 0.4 else None)
