"""The figures of a KL divergence, by hand."""

import math

import pytest

from alignment.divergence import divergence


def test_the_mean_and_its_error_are_over_prompts() -> None:
    # Prompt means 1 and 3 nats, lengths 2 and 4 tokens: mean 2, deviations ±1, error sqrt(2 / 1 / 2) = 1.
    found = divergence({"a": [(0.5, 1), (1.5, 3)], "b": [(3.0, 4)]})
    assert found["per_answer"]["value"] == 2.0
    assert found["per_answer"]["standard_error"] == pytest.approx(1.0)
    assert found["per_answer"]["low"] == pytest.approx(2 - 1.959964, abs=1e-5)
    assert (found["num_prompts"], found["num_answers"]) == (2, 3)
    # A ratio: 2 / 3 nats a token; residuals (1 - 4/3) / 3 and (3 - 8/3) / 3.
    assert found["per_token"]["value"] == pytest.approx(2 / 3)
    assert found["per_token"]["standard_error"] == pytest.approx(math.sqrt(2 * (1 / 9) ** 2 / 1 / 2))


def test_one_prompt_has_no_error() -> None:
    found = divergence({"a": [(0.5, 2)]})
    assert found["per_answer"] == {"value": 0.5, "standard_error": None, "low": None, "high": None}


def test_no_answers_are_refused() -> None:
    with pytest.raises(ValueError, match="no answers"):
        divergence({"a": []})
