"""Which examples each step takes, and how a step is cut."""

import itertools

import pytest

from alignment.training.schedule import microbatches, num_steps, step_examples
from tests.alignment.training.factories import make_optimizer


def all_steps(num_examples: int, seed: int, **optimizer: float) -> list[list[int]]:
    config = make_optimizer(**optimizer)
    return [
        step_examples(step, num_examples, config, seed) for step in range(num_steps(num_examples, config))
    ]


def test_every_epoch_takes_each_example_once_in_another_order() -> None:
    steps = all_steps(10, 1, num_epochs=2, batch_size=4)
    drawn = [example for step in steps for example in step]
    assert [len(step) for step in steps] == [4, 4, 4, 4, 4]
    assert sorted(drawn[:10]) == sorted(drawn[10:]) == list(range(10))
    assert drawn[:10] != drawn[10:]


def test_the_last_step_may_be_cut_short_and_epochs_may_be_broken() -> None:
    assert [len(step) for step in all_steps(10, 1, num_epochs=1.5, batch_size=4)] == [4, 4, 4, 3]
    assert [len(step) for step in all_steps(3, 1, num_epochs=0.1, batch_size=4)] == [1]


def test_a_step_depends_on_the_seed_and_the_step_alone() -> None:
    config = make_optimizer(num_epochs=5, batch_size=4)
    assert step_examples(7, 10, config, 1) == all_steps(10, 1, num_epochs=5, batch_size=4)[7]
    assert all_steps(10, 1, num_epochs=1, batch_size=10) != all_steps(10, 2, num_epochs=1, batch_size=10)


@pytest.mark.parametrize("max_tokens", [64, 300, 5000])
def test_microbatches_hold_every_example_once_within_the_budget(max_tokens: int) -> None:
    lengths = [(7 * place) % 61 + 1 for place in range(100)]
    cut = microbatches(lengths, max_tokens)
    assert sorted(itertools.chain(*cut)) == list(range(100))
    assert all(sum(lengths[example] for example in examples) <= max_tokens for examples in cut)


def test_microbatches_are_even_and_alike_in_length() -> None:
    cut = microbatches([10, 30, 10, 30, 20, 20], 100)
    assert cut == [[0, 2, 4, 5], [1, 3]]


def test_an_example_over_the_budget_is_alone() -> None:
    assert microbatches([10, 500, 10], 100) == [[0, 2], [1]]
