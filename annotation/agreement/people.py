"""The quality of a project's judgements in figures: overall, by domain, by person and by pair of people.

In come a project's judgements as columns; out comes everything that the quality page shows, with None
wherever a figure is not defined.

Shapes: R judgements, A annotators.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from annotation.agreement.bias import READING_SPEED, Share, shares_by_annotator
from annotation.agreement.dawid_skene import dawid_skene
from annotation.agreement.kappa import PairOfRaters, pairs_of_raters
from annotation.agreement.krippendorff import Interval, alpha_interval
from annotation.agreement.ratings import (
    SIGNED_GRADES,
    Floats,
    Ints,
    Ratings,
    agreement_with_others,
    percent_agreement,
)

MAX_PAIRS = 12


@dataclass(frozen=True, kw_only=True)
class JudgementColumns:
    """A project's judgements, one entry each."""

    comparison_R: Ints
    annotator_R: Ints
    grade_R: Ints
    """Place in SIGNED_GRADES: 0 is "left is significantly better", 7 that right is."""
    domain_R: Ints
    """Place in `domains`."""
    seconds_R: Floats
    """NaN where nobody knows."""
    words_left_R: Ints
    words_right_R: Ints
    domains: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How people agree on the comparisons that several of them judged."""

    num_judgements: int
    num_shared: int
    """Comparisons that at least two people judged."""
    same_side: float | None
    """The share of pairs of judgements that prefer the same side."""
    side: Interval | None
    """Krippendorff's α of the preferred side, nominal."""
    ordinal: Interval | None
    interval: Interval | None
    """α of the grades."""


@dataclass(frozen=True, kw_only=True)
class Person:
    """What one person's judgements look like."""

    annotator: int
    num_judgements: int
    num_shared: int
    agrees: float | None
    """The mean share of others who prefer the same side."""
    reliability: float | None
    """By Dawid and Skene, on sides: the probability that they prefer what is better."""
    prefers_left: Share | None
    prefers_longer: Share | None
    median_seconds: float | None
    too_fast: Share | None
    """Of those with a time, how many were faster than both answers can be read."""


@dataclass(frozen=True, kw_only=True)
class Quality:
    """All of it. Raters in `pairs` are annotators' ids."""

    overall: Agreement
    domains: tuple[tuple[str, Agreement], ...]
    """Most judgements first."""
    people: tuple[Person, ...]
    """Most judgements first."""
    pairs: tuple[PairOfRaters, ...]
    prefers_left: Share | None
    prefers_longer: Share | None
    too_fast: Share | None
    """Of all people's judgements together."""


def quality(columns: JudgementColumns, *, seed: int = 0) -> Quality:
    """Every figure; `seed` is the bootstrap's."""
    ratings = Ratings.of(
        columns.comparison_R, columns.annotator_R, columns.grade_R, num_levels=len(SIGNED_GRADES)
    )
    ids_A = np.unique(columns.annotator_R)
    order = np.argsort(-np.bincount(columns.domain_R, minlength=len(columns.domains)), kind="stable")
    everybody = np.zeros_like(ratings.rater_R)
    left, longer, fast = _biases(columns, everybody, 1)
    return Quality(
        overall=agreement(ratings, seed=seed),
        domains=tuple(
            (columns.domains[place], agreement(ratings.where(columns.domain_R == place), seed=seed))
            for place in order
        ),
        people=_people(columns, ratings, ids_A),
        pairs=tuple(
            PairOfRaters(
                first=int(ids_A[pair.first]),
                second=int(ids_A[pair.second]),
                num_shared=pair.num_shared,
                same=pair.same,
                linear=pair.linear,
                quadratic=pair.quadratic,
            )
            for pair in pairs_of_raters(ratings, SIGNED_GRADES, limit=MAX_PAIRS)
        ),
        prefers_left=left[0],
        prefers_longer=longer[0],
        too_fast=fast[0],
    )


def agreement(ratings: Ratings, *, seed: int) -> Agreement:
    """How people agree, on sides and on grades."""
    sides = ratings.sides()
    return Agreement(
        num_judgements=len(ratings.unit_R),
        num_shared=int((np.bincount(ratings.unit_R, minlength=1) > 1).sum()),
        same_side=percent_agreement(sides),
        side=alpha_interval(sides, "nominal", seed=seed),
        ordinal=alpha_interval(ratings, "ordinal", seed=seed),
        interval=alpha_interval(ratings, "interval", SIGNED_GRADES, seed=seed),
    )


def _people(columns: JudgementColumns, ratings: Ratings, ids_A: Ints) -> tuple[Person, ...]:
    sides = ratings.sides()
    agrees_A, shared_A = agreement_with_others(sides)
    fitted = dawid_skene(sides)
    reliability_A = fitted.reliability() if fitted else np.zeros(len(ids_A))
    left, longer, fast = _biases(columns, ratings.rater_R, len(ids_A))
    num_A = np.bincount(ratings.rater_R, minlength=len(ids_A))
    median_A = _medians(columns.seconds_R, ratings.rater_R, len(ids_A))
    people = [
        Person(
            annotator=int(ids_A[rater]),
            num_judgements=int(num_A[rater]),
            num_shared=int(shared_A[rater]),
            agrees=float(agrees_A[rater]) if shared_A[rater] else None,
            reliability=float(reliability_A[rater]) if shared_A[rater] else None,
            prefers_left=left[rater],
            prefers_longer=longer[rater],
            median_seconds=median_A[rater],
            too_fast=fast[rater],
        )
        for rater in range(len(ids_A))
    ]
    return tuple(sorted(people, key=lambda person: (-person.num_judgements, person.annotator)))


def _biases(
    columns: JudgementColumns, rater_R: Ints, num_raters: int
) -> tuple[list[Share | None], list[Share | None], list[Share | None]]:
    """By rater, how often: left is preferred; the longer is, where lengths differ; it went too fast."""
    is_left_R = columns.grade_R < len(SIGNED_GRADES) // 2
    left_longer_R = columns.words_left_R > columns.words_right_R
    differ_R = columns.words_left_R != columns.words_right_R
    timed_R = ~np.isnan(columns.seconds_R)
    words_R = columns.words_left_R + columns.words_right_R
    too_fast_R = np.nan_to_num(columns.seconds_R) * READING_SPEED < words_R

    def shares(happened_R: NDArray[np.bool_], counted_R: NDArray[np.bool_]) -> list[Share | None]:
        return shares_by_annotator(
            rater_R, happened_R.astype(np.int64), counted_R.astype(np.int64), num_raters
        )

    return (
        shares(is_left_R, np.ones_like(is_left_R)),
        shares(is_left_R == left_longer_R, differ_R),
        shares(too_fast_R, timed_R),
    )


def _medians(seconds_R: Floats, rater_R: Ints, num_raters: int) -> list[float | None]:
    timed_R = ~np.isnan(seconds_R)
    order = np.lexsort((seconds_R[timed_R], rater_R[timed_R]))
    sorted_seconds = seconds_R[timed_R][order]
    ends = np.cumsum(np.bincount(rater_R[timed_R], minlength=num_raters))
    return [float(np.median(part)) if len(part) else None for part in np.split(sorted_seconds, ends[:-1])]
