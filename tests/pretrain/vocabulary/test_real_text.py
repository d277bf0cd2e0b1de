"""Real text, a small sample of it: `python -m tests.benchmarks.tokenizer` measures all."""

import os

import pytest

from tests.benchmarks import tokenizer


def test_characters_per_token_are_those_of_the_library_and_an_extension_leaves_english_alone() -> None:
    if not tokenizer.TEXTS.exists() and "CI" not in os.environ:
        pytest.skip(f"there is no {tokenizer.TEXTS}")
    ratio = {case.name: case.ratio for case in tokenizer.cases(1500, 600, every=70)}
    assert ratio["english"] >= 0.98 and ratio["all_languages"] >= 0.98
    assert ratio["extension_others"] > 1.05
    assert 1 <= ratio["extension_english"] <= 1.01
