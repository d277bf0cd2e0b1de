"""Semantic deduplication: of dialogs that mean nearly the same, the better and harder one stays.

Pure functions of tensors. Source: The Llama 3 Herd of Models, section 4.2.3, "Semantic deduplication", after
Abbas et al., SemDeDup (2023): cluster, order each cluster by quality times difficulty, keep greedily what is
not too near to what is kept.

Legend: N dialogs, D width, C clusters, M members of one cluster.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

MAX_ITERATIONS = 25


@dataclass(frozen=True, kw_only=True)
class Duplicate:
    """A dialog that is too near to one that is kept."""

    dialog: int
    near: int
    """The kept one."""
    cosine: float


def comparable(embeddings_ND: Tensor) -> Tensor:
    """The embeddings centred and of length 1, so that cosines tell them apart.

    The hidden states of a language model all point one way (Ethayarajh, How Contextual are Contextualized
    Word Representations?, 2019), so uncentred cosines are all near 1. Where all embeddings are equal nothing
    is left of them, and their cosines are 0.
    """
    embeddings_ND = embeddings_ND.double()
    return functional.normalize(embeddings_ND - embeddings_ND.mean(0), dim=1)


def clusters_of(vectors_ND: Tensor, num_clusters: int, *, seed: int) -> Tensor:
    """The cluster (N) of each vector of length 1, by spherical k-means.

    Dhillon and Modha, Concept Decompositions for Large Sparse Text Data using Clustering (2001). It starts
    from vectors drawn with the seed, and ends when none changes its cluster or after 25 turns.
    """
    assert 0 < num_clusters <= len(vectors_ND), (num_clusters, len(vectors_ND))
    generator = torch.Generator().manual_seed(seed)
    first = torch.randperm(len(vectors_ND), generator=generator)[:num_clusters]
    centres_CD = vectors_ND[first]
    cluster_N = (vectors_ND @ centres_CD.T).argmax(1)
    for _ in range(MAX_ITERATIONS):
        sums_CD = torch.zeros_like(centres_CD).index_add_(0, cluster_N, vectors_ND)
        lengths_C1 = sums_CD.norm(dim=1, keepdim=True)
        # A cluster that lost its members stays where it was.
        centres_CD = torch.where(lengths_C1 > 0, sums_CD / lengths_C1.clamp(min=1e-12), centres_CD)
        moved_N = (vectors_ND @ centres_CD.T).argmax(1)
        if torch.equal(moved_N, cluster_N):
            break
        cluster_N = moved_N
    return cluster_N


def near_duplicates(
    vectors_ND: Tensor, cluster_N: Tensor, priorities: Sequence[float], max_cosine: float
) -> list[Duplicate]:
    """What to drop so that no two kept vectors of a cluster have a cosine of `max_cosine` or more.

    Vectors are of length 1. Those with higher priorities are kept first, of equals the earlier one. The
    duplicates come in the order of the vectors.
    """
    found: list[Duplicate] = []
    for cluster in cluster_N.unique().tolist():
        members = (cluster_N == cluster).nonzero().flatten().tolist()
        members.sort(key=lambda member: -priorities[member])
        cosines_MM = vectors_ND[members] @ vectors_ND[members].T
        kept: list[int] = []
        for place, member in enumerate(members):
            if kept:
                nearest = int(cosines_MM[place, kept].argmax())
                cosine = float(cosines_MM[place, kept[nearest]])
                if cosine >= max_cosine:
                    found.append(Duplicate(dialog=member, near=members[kept[nearest]], cosine=cosine))
                    continue
            kept.append(place)
    return sorted(found, key=lambda duplicate: duplicate.dialog)


def deduplicate(
    embeddings_ND: Tensor,
    priorities: Sequence[float],
    *,
    max_cosine: float,
    cluster_size: int,
    seed: int,
) -> list[Duplicate]:
    """`near_duplicates` of raw embeddings, in clusters of about `cluster_size`."""
    vectors_ND = comparable(embeddings_ND)
    num_clusters = math.ceil(len(vectors_ND) / cluster_size)
    return near_duplicates(
        vectors_ND, clusters_of(vectors_ND, num_clusters, seed=seed), priorities, max_cosine
    )
