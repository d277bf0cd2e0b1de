"""The mathematics of averaging models: one tensor of each model in, one merged tensor out.

Pure. Everything is computed in fp64 and given in fp32. Weights, where a function takes them, are one for
each tensor and sum to 1.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

NEARLY_PARALLEL = 0.9995
"""A cosine above which the arc is as good as its chord, and the division by its sine is not."""


def weighted_mean(tensors: Iterable[Tensor], weights: Sequence[float]) -> Tensor:
    """The weighted mean; equal tensors stay as they are to the bit. Holds one of `tensors` at a time."""
    mean: Tensor | None = None
    for tensor, weight in zip(tensors, weights, strict=True):
        if mean is None:
            mean = tensor.double() * weight
        else:
            mean.add_(tensor.double(), alpha=weight)
    assert mean is not None, "no tensors"
    return mean.float()


def moving_average(previous: Tensor, new: Tensor, decay: float) -> Tensor:
    """The exponential moving average's next value: `decay` of `previous` and the rest of `new`."""
    return weighted_mean((previous, new), (decay, 1 - decay))


def slerp(first: Tensor, second: Tensor, fraction: float) -> Tensor:
    """The point at `fraction` of the arc from `first` (0) to `second` (1), each taken as one long vector.

    Shoemake, Animating Rotation with Quaternion Curves (1985). The formula's weights are applied to the
    vectors as they are, so lengths are interpolated too. Vectors of no length, of one direction or of
    opposite ones have no arc of their own: they are interpolated on the line.
    """
    a, b = first.double(), second.double()
    lengths = float(torch.linalg.vector_norm(a) * torch.linalg.vector_norm(b))
    cosine = float((a * b).sum()) / lengths if lengths else 1.0
    if abs(cosine) > NEARLY_PARALLEL:
        return weighted_mean((first, second), (1 - fraction, fraction))
    angle = torch.acos(torch.tensor(cosine, dtype=torch.float64))
    weight_a = torch.sin((1 - fraction) * angle) / torch.sin(angle)
    weight_b = torch.sin(fraction * angle) / torch.sin(angle)
    return (a * weight_a + b * weight_b).float()


def slerp_all(tensors: Iterable[Tensor], weights: Sequence[float]) -> Tensor:
    """`slerp` from tensor to tensor, each taking its part of the weight so far.

    Two tensors of weights 1/2 give the middle of their arc. For more the order matters a little: there is
    no one middle of several points on a sphere in closed form.
    """
    merged: Tensor | None = None
    so_far = 0.0
    for tensor, weight in zip(tensors, weights, strict=True):
        so_far += weight
        if merged is None:
            merged = tensor.float()
        elif so_far > 0:
            merged = slerp(merged, tensor, weight / so_far)
    assert merged is not None, "no tensors"
    return merged


def ties(
    initial: Tensor, tensors: Sequence[Tensor], weights: Sequence[float], *, density: float, scale: float
) -> Tensor:
    """Merge what each model learned since `initial`, without the parts in which they contradict each other.

    Yadav et al., TIES-Merging: Resolving Interference When Merging Models (2023): of each difference from
    `initial` only the largest `density` is kept; the sign with the larger weighted sum wins at every place;
    the differences of that sign are averaged over those models that have one there, times `scale`. The paper
    trims over the whole model; here every tensor is trimmed on its own, so that models need not lie in
    memory.
    """
    start = initial.double()
    differences = [trimmed(tensor.double() - start, density) for tensor in tensors]
    total = torch.zeros_like(start)
    for difference, weight in zip(differences, weights, strict=True):
        total.add_(difference, alpha=weight)
    sign = total.sign()
    agreeing, shares = torch.zeros_like(start), torch.zeros_like(start)
    for difference, weight in zip(differences, weights, strict=True):
        agrees = (difference.sign() == sign) & (sign != 0)
        agreeing += torch.where(agrees, difference * weight, 0.0)
        shares += torch.where(agrees, weight, 0.0)
    return (start + scale * agreeing / shares.clamp(min=torch.finfo(torch.float64).tiny)).float()


def trimmed(difference: Tensor, density: float) -> Tensor:
    """The largest `density` of the values by magnitude, and those as large as the least of them; else 0."""
    num_kept = max(1, round(density * difference.numel()))
    magnitudes = difference.abs().flatten()
    smallest = magnitudes.kthvalue(difference.numel() - num_kept + 1).values
    return torch.where(difference.abs() >= smallest, difference, 0.0)


@dataclass(frozen=True, kw_only=True)
class SoupStep:
    """One model that was tried."""

    member: int
    metric: float
    """Of the soup with this member; of the member alone for the first."""
    kept: bool


def greedy_soup(alone: Sequence[float], metric_of: Callable[[tuple[int, ...]], float]) -> list[SoupStep]:
    """Which members to average: from the best one on, each that does not lower the metric (higher is better).

    Wortsman et al., Model Soups (2022), recipe 1. `alone` are the members' own metrics; `metric_of` measures
    the uniform mean of members. The steps come in the order in which members were tried.
    """
    order = sorted(range(len(alone)), key=lambda member: -alone[member])
    best = alone[order[0]]
    soup: tuple[int, ...] = (order[0],)
    steps = [SoupStep(member=order[0], metric=best, kept=True)]
    for member in order[1:]:
        metric = metric_of((*soup, member))
        steps.append(SoupStep(member=member, metric=metric, kept=metric >= best))
        if metric >= best:
            best, soup = metric, (*soup, member)
    return steps
