"""Semantic deduplication on vectors worked by hand."""

import math

import pytest
import torch
from torch import Tensor

from alignment.sampling.semantic_dedup import (
    clusters_of,
    comparable,
    deduplicate,
    near_duplicates,
)


def directions(*degrees: float) -> Tensor:
    """Vectors of length 1 in the plane."""
    radians = [math.radians(degree) for degree in degrees]
    return torch.tensor([[math.cos(angle), math.sin(angle)] for angle in radians], dtype=torch.float64)


def dropped(vectors: Tensor, clusters: list[int], priorities: list[float], max_cosine: float) -> list[int]:
    found = near_duplicates(vectors, torch.tensor(clusters), priorities, max_cosine)
    return [duplicate.dialog for duplicate in found]


def test_the_higher_priority_is_kept() -> None:
    (duplicate,) = near_duplicates(directions(0, 10), torch.tensor([0, 0]), [0.2, 0.9], 0.95)
    assert (duplicate.dialog, duplicate.near) == (0, 1)
    assert duplicate.cosine == pytest.approx(math.cos(math.radians(10)))


def test_of_equal_priorities_the_first_is_kept() -> None:
    assert dropped(directions(0, 10), [0, 0], [1.0, 1.0], 0.95) == [1]


def test_only_what_is_near_to_a_kept_one_is_dropped() -> None:
    # 15 degrees have a cosine of 0.966, 30 degrees one of 0.866. The middle one has the lowest priority:
    # with it gone the outer two are far enough apart; with the highest, it takes both.
    assert dropped(directions(0, 15, 30), [0, 0, 0], [0.5, 0.1, 0.4], 0.95) == [1]
    assert dropped(directions(0, 15, 30), [0, 0, 0], [0.5, 0.9, 0.4], 0.95) == [0, 2]


def test_other_clusters_are_not_compared() -> None:
    assert dropped(directions(0, 0), [0, 1], [1.0, 1.0], 0.95) == []


def test_k_means_finds_the_directions() -> None:
    vectors = directions(0, 3, 6, 120, 123, 126, 240, 243, 246)
    cluster = clusters_of(vectors, 3, seed=0).tolist()
    assert len(set(cluster)) == 3
    assert [len(set(cluster[start : start + 3])) for start in (0, 3, 6)] == [1, 1, 1]


def test_k_means_is_decided_by_its_seed() -> None:
    vectors = torch.nn.functional.normalize(torch.randn(200, 8, generator=torch.Generator().manual_seed(1)))
    assert torch.equal(clusters_of(vectors, 7, seed=3), clusters_of(vectors, 7, seed=3))
    assert clusters_of(vectors, 1, seed=0).unique().tolist() == [0]


def test_centring_takes_away_what_all_have_in_common() -> None:
    generator = torch.Generator().manual_seed(0)
    common = torch.full((16,), 10.0)
    embeddings = common + torch.randn(60, 16, generator=generator)
    raw = torch.nn.functional.normalize(embeddings.double())
    assert (raw @ raw.T).min() > 0.95
    centred = comparable(embeddings)
    torch.testing.assert_close(centred.norm(dim=1), torch.ones(60, dtype=torch.float64))
    assert (centred @ centred.T - torch.eye(60)).max() < 0.95


def test_equal_dialogs_are_found_in_small_and_in_large_data() -> None:
    generator = torch.Generator().manual_seed(0)
    for num in (3, 300):
        embeddings = torch.randn(num, 32, generator=generator)
        embeddings[1] = embeddings[0]
        found = deduplicate(embeddings, [1.0] * num, max_cosine=0.95, cluster_size=50, seed=0)
        assert [(duplicate.dialog, duplicate.near) for duplicate in found] == [(1, 0)]
