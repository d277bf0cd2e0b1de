"""People's verdicts on a stratified sample as arrays, and shares of the whole corpus from them. Pure: numpy.

Shapes: D documents that people agree on, H strata, K thresholds, B bootstrap samples.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from annotation.agreement.bias import Share, wilson
from reviewing.thresholds import Threshold

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class JudgedDocument:
    """One document on which the people who judged it agree, by majority."""

    pk: int
    stratum: str
    is_bad: bool
    """Whether people would drop it."""
    values: Mapping[str, float]
    dropped_by: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Sample:
    """All of them, with what each stands for."""

    thresholds: tuple[Threshold, ...]
    filters: tuple[str, ...]
    """That dropped any of them."""
    pk_D: Ints
    stratum_D: Ints
    weight_D: Floats
    """How many documents of the corpus each stands for."""
    bad_D: Bools
    value_DK: Floats
    """What each threshold's filter measured; NaN where it did not."""
    dropped_by_DF: Bools
    """By `filters`."""
    other_D: Bools
    """Dropped for a reason that no threshold has."""
    num_documents: int
    """Of the corpus."""
    num_covered: int
    """Of them, those in strata of which something was judged."""

    def hits(self, bounds_K: Floats) -> Bools:
        """Whether each document is beyond each bound, [D, K]. NaN is beyond none."""
        sign_K = np.array([threshold.sign for threshold in self.thresholds], dtype=float)
        with np.errstate(invalid="ignore"):
            return np.asarray((self.value_DK - bounds_K) * sign_K > 0)

    @property
    def bound_K(self) -> Floats:
        """The bounds in force."""
        return np.array([threshold.bound for threshold in self.thresholds], dtype=float)

    def part(self, chosen_D: Bools, populations: Mapping[int, float] | None = None) -> "Sample":
        """Some of the documents, weighing as much as their strata."""
        stratum_D = self.stratum_D[chosen_D]
        totals = strata_totals(self.stratum_D, self.weight_D) if populations is None else populations
        return replace(
            self,
            pk_D=self.pk_D[chosen_D],
            stratum_D=stratum_D,
            weight_D=weights(stratum_D, totals),
            bad_D=self.bad_D[chosen_D],
            value_DK=self.value_DK[chosen_D],
            dropped_by_DF=self.dropped_by_DF[chosen_D],
            other_D=self.other_D[chosen_D],
        )


def sample_of(
    documents: Sequence[JudgedDocument], populations: Mapping[str, int], thresholds: Sequence[Threshold]
) -> Sample:
    """The arrays of these documents; `populations` are the corpus's documents by stratum."""
    names = sorted(populations)
    stratum_D = np.array([names.index(document.stratum) for document in documents], dtype=np.int64)
    judged = {document.stratum for document in documents}
    filters = tuple(sorted({name for document in documents for name in document.dropped_by}))
    value_DK = np.array(
        [
            [document.values.get(threshold.filter, np.nan) for threshold in thresholds]
            for document in documents
        ],
        dtype=float,
    ).reshape(len(documents), len(thresholds))
    sample = Sample(
        thresholds=tuple(thresholds),
        filters=filters,
        pk_D=np.array([document.pk for document in documents], dtype=np.int64),
        stratum_D=stratum_D,
        weight_D=weights(stratum_D, {place: float(populations[name]) for place, name in enumerate(names)}),
        bad_D=np.array([document.is_bad for document in documents], dtype=bool),
        value_DK=value_DK,
        dropped_by_DF=np.array(
            [[name in document.dropped_by for name in filters] for document in documents], dtype=bool
        ).reshape(len(documents), len(filters)),
        other_D=np.zeros(len(documents), dtype=bool),
        num_documents=sum(populations.values()),
        num_covered=sum(populations[name] for name in judged),
    )
    hit_DK = sample.hits(sample.bound_K)
    explained = [{thresholds[place].filter for place in np.flatnonzero(hit_K)} for hit_K in hit_DK]
    other = [
        bool(set(document.dropped_by) - names) for document, names in zip(documents, explained, strict=True)
    ]
    return replace(sample, other_D=np.array(other, dtype=bool))


def strata_totals(stratum_D: Ints, weight_D: Floats) -> dict[int, float]:
    """What the documents of each stratum stand for together."""
    totals_H = np.bincount(stratum_D, weights=weight_D) if len(stratum_D) else np.zeros(0)
    return {place: float(total) for place, total in enumerate(totals_H)}


def weights(stratum_D: Ints, totals: Mapping[int, float]) -> Floats:
    """Each document's part of its stratum (Horvitz and Thompson 1952)."""
    num_H = np.bincount(stratum_D) if len(stratum_D) else np.zeros(0, dtype=np.int64)
    return np.array([totals[place] / num_H[place] for place in stratum_D.tolist()], dtype=float)


def weighted_share(happened_D: Bools, weight_D: Floats) -> Share | None:
    """The share of the weight that happened; `num` is how many documents were looked at.

    Wilson's interval at Kish's effective number of documents, (Σw)²/Σw² (Kish, Survey Sampling, 1965): a
    little wide for a stratified sample. None for no document.
    """
    if not len(weight_D):
        return None
    effective = float(weight_D.sum() ** 2 / (weight_D**2).sum())
    value = float((weight_D * happened_D).sum() / weight_D.sum())
    share = wilson(value * effective, effective)
    assert share is not None
    return replace(share, num=len(weight_D))


@dataclass(frozen=True, kw_only=True)
class FilterFigures:
    """What people say of one filter's drops."""

    name: str
    num_dropped: float
    """Of the corpus, estimated."""
    precision: Share | None
    """The share of what it drops that people would drop."""


def filter_figures(sample: Sample) -> list[FilterFigures]:
    """Each filter's, those that drop most first."""
    found = []
    for place, name in enumerate(sample.filters):
        dropped_D = sample.dropped_by_DF[:, place]
        weight_D = sample.weight_D[dropped_D]
        found.append(
            FilterFigures(
                name=name,
                num_dropped=float(weight_D.sum()),
                precision=weighted_share(sample.bad_D[dropped_D], weight_D),
            )
        )
    return sorted(found, key=lambda each: (-each.num_dropped, each.name))


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a recipe does to the corpus, as far as people's verdicts tell."""

    num_kept: float
    bad_among_kept: Share | None
    good_among_dropped: Share | None
    good_kept: Share | None
    """The share of what people would keep that is kept: the recall."""
    error: Share | None
    """The share of all documents of which the recipe and people say different things."""
    cost: float
    """Wrong documents, as a share of all, a good one dropped counting `good_cost` times."""


def outcome(sample: Sample, bounds_K: Floats, good_cost: float) -> Outcome:
    """What the bounds do to the documents of the sample."""
    return outcome_of(sample.other_D | sample.hits(bounds_K).any(axis=1), sample, good_cost)


def outcome_of(dropped_D: Bools, sample: Sample, good_cost: float) -> Outcome:
    """What it comes to that these are dropped."""
    weight_D, bad_D = sample.weight_D, sample.bad_D
    total = float(weight_D.sum()) or 1.0
    lost, left = float(weight_D[dropped_D & ~bad_D].sum()), float(weight_D[~dropped_D & bad_D].sum())
    return Outcome(
        num_kept=float(weight_D[~dropped_D].sum()),
        bad_among_kept=weighted_share(bad_D[~dropped_D], weight_D[~dropped_D]),
        good_among_dropped=weighted_share(~bad_D[dropped_D], weight_D[dropped_D]),
        good_kept=weighted_share(~dropped_D[~bad_D], weight_D[~bad_D]),
        error=weighted_share(dropped_D != bad_D, weight_D),
        cost=(good_cost * lost + left) / total,
    )


@dataclass(frozen=True, kw_only=True)
class FunnelRow:
    """What is left of the corpus after a filter and all before it, in documents, estimated."""

    name: str
    now: float
    then: float
    """With other bounds."""


def funnel(sample: Sample, bounds_K: Floats) -> list[FunnelRow]:
    """Filter by filter in the order of the recipe, those without a threshold first; only filters that drop
    something now or with the other bounds."""
    left_now_D, left_then_D = ~sample.other_D, ~sample.other_D
    rows = []
    if sample.other_D.any():
        left = float(sample.weight_D[left_now_D].sum())
        rows.append(FunnelRow(name="", now=left, then=left))
    now_DK, then_DK = sample.hits(sample.bound_K), sample.hits(bounds_K)
    for name in dict.fromkeys(threshold.filter for threshold in sample.thresholds):
        own_K = np.array([threshold.filter == name for threshold in sample.thresholds])
        now_D, then_D = now_DK[:, own_K].any(axis=1), then_DK[:, own_K].any(axis=1)
        left_now_D, left_then_D = left_now_D & ~now_D, left_then_D & ~then_D
        if now_D.any() or then_D.any():
            rows.append(
                FunnelRow(
                    name=name,
                    now=float(sample.weight_D[left_now_D].sum()),
                    then=float(sample.weight_D[left_then_D].sum()),
                )
            )
    return rows


def reaching(sample: Sample, bounds_K: Floats, without: str = "") -> Floats:
    """How many documents each stands for among those that all filters but `without` keep; 1 on average."""
    hit_DK = sample.hits(bounds_K)
    own_K = np.array([threshold.filter == without for threshold in sample.thresholds], dtype=bool)
    weight_D = sample.weight_D * ~(sample.other_D | hit_DK[:, ~own_K].any(axis=1))
    return weight_D / (weight_D.mean() if weight_D.any() else 1.0)


def bounds_with(sample: Sample, bounds: Mapping[str, float]) -> Floats:
    """All bounds, those named by their keys in the stead of the present ones."""
    return np.array([bounds.get(each.key, each.bound) for each in sample.thresholds], dtype=float)
