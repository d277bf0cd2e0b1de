"""Merging of tensors, each method against numbers worked by hand."""

import math

import pytest
import torch
from torch import Tensor

from alignment.training.merging import (
    greedy_soup,
    moving_average,
    slerp,
    slerp_all,
    ties,
    trimmed,
    weighted_mean,
)


def vector(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float32)


def test_a_weighted_mean_by_hand() -> None:
    assert weighted_mean([vector(1, 4), vector(3, 0)], [0.25, 0.75]).tolist() == [2.5, 1.0]


def test_the_mean_of_equal_tensors_is_the_tensor_to_the_bit() -> None:
    tensor = torch.randn(1000, generator=torch.Generator().manual_seed(0))
    assert torch.equal(weighted_mean([tensor] * 3, [1 / 3] * 3), tensor)


def test_a_moving_average_keeps_the_decay_of_what_was() -> None:
    assert moving_average(vector(8, 0), vector(0, 4), 0.75).tolist() == [6.0, 1.0]


def test_slerp_goes_along_the_arc() -> None:
    middle = slerp(vector(1, 0), vector(0, 1), 0.5)
    assert middle.tolist() == pytest.approx([math.sqrt(0.5), math.sqrt(0.5)])
    third = slerp(vector(1, 0), vector(0, 1), 1 / 3)
    assert third.tolist() == pytest.approx([math.cos(math.pi / 6), math.sin(math.pi / 6)])


def test_slerp_takes_a_matrix_as_one_long_vector() -> None:
    found = slerp(vector(2, 0, 0, 0).view(2, 2), vector(0, 0, 0, 2).view(2, 2), 0.5)
    assert found.flatten().tolist() == pytest.approx([math.sqrt(2), 0, 0, math.sqrt(2)])


def test_slerp_ends_where_its_ends_are() -> None:
    first, second = vector(1, 2, 3), vector(-2, 1, 0.5)
    torch.testing.assert_close(slerp(first, second, 0.0), first)
    torch.testing.assert_close(slerp(first, second, 1.0), second)


@pytest.mark.parametrize(
    ("first", "second", "middle"),
    [((1, 1), (3, 3), [2, 2]), ((0, 0), (2, 4), [1, 2]), ((1, 0), (-3, 0), [-1, 0])],
)
def test_vectors_without_an_arc_meet_on_the_line(
    first: tuple[float, ...], second: tuple[float, ...], middle: list[float]
) -> None:
    assert slerp(vector(*first), vector(*second), 0.5).tolist() == middle


def test_slerp_of_three_gives_each_its_part() -> None:
    x, y, z = vector(1, 0, 0), vector(0, 1, 0), vector(0, 0, 1)
    half = math.sqrt(0.5)
    # The middle of x and y, then a third of the quarter circle from there to z.
    expected = [half * math.cos(math.pi / 6), half * math.cos(math.pi / 6), math.sin(math.pi / 6)]
    assert slerp_all([x, y, z], [1 / 3] * 3).tolist() == pytest.approx(expected)
    assert slerp_all([x, y, z], [0.0, 0.0, 1.0]).tolist() == pytest.approx([0, 0, 1])


def test_only_the_largest_differences_are_kept() -> None:
    assert trimmed(vector(1, -4, 2, -3), 0.5).tolist() == [0, -4, 0, -3]
    assert trimmed(vector(1, -4, 2, -3), 0.01).tolist() == [0, -4, 0, 0]
    assert trimmed(vector(1, -4), 1.0).tolist() == [1, -4]


def test_ties_by_hand() -> None:
    initial = vector(10, 10, 10, 10)
    first = initial + vector(4, -3, 1, 2)
    second = initial + vector(2, 6, 0.5, -2)
    # Trimmed to the larger half: (4, -3, 0, 0), and (2, 6, 0, -2), where 2 and -2 are equally large.
    # The sums (6, 3, 0, -2) elect the signs +, +, none, -.
    # The means over those that agree: (4 + 2) / 2, 6, nothing, -2.
    found = ties(initial, [first, second], [0.5, 0.5], density=0.5, scale=1.0)
    assert found.tolist() == [13, 16, 10, 8]
    assert ties(initial, [first, second], [0.5, 0.5], density=0.5, scale=0.5).tolist() == [11.5, 13, 10, 9]


def test_weights_of_ties_decide_whose_sign_wins() -> None:
    initial = vector(0.0)
    assert ties(initial, [vector(3), vector(-2)], [0.5, 0.5], density=1.0, scale=1.0).tolist() == [3]
    assert ties(initial, [vector(3), vector(-2)], [0.25, 0.75], density=1.0, scale=1.0).tolist() == [-2]


def test_opposite_differences_of_one_size_cancel() -> None:
    assert ties(vector(5), [vector(6), vector(4)], [0.5, 0.5], density=1.0, scale=1.0).tolist() == [5]


def test_the_soup_starts_with_the_best_member_and_keeps_what_does_not_lower_the_metric() -> None:
    metrics = {(2, 0): 0.8, (2, 0, 1): 0.79, (2, 0, 3): 0.8}
    steps = greedy_soup([0.7, 0.6, 0.75, 0.5], lambda members: metrics[members])
    assert [(step.member, step.metric, step.kept) for step in steps] == [
        (2, 0.75, True),
        (0, 0.8, True),
        (1, 0.79, False),
        (3, 0.8, True),
    ]


def test_of_equal_members_the_first_is_tried_first() -> None:
    steps = greedy_soup([0.5, 0.5], lambda members: 0.4)
    assert [(step.member, step.kept) for step in steps] == [(0, True), (1, False)]
