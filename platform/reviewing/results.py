"""What a review says: precision of each filter, thresholds and where they should be, before and after.

Comes in: a review and what a good document dropped costs. Goes out: the figures of its page and commands.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from annotation.agreement.krippendorff import Interval
from reviewing.models import DocumentReview, Reading, ReviewedDocument
from reviewing.moving import cross_validated, moved_together
from reviewing.selectors import agreement, documents_judged, given, is_bad, sample
from reviewing.suggesting import Suggestion, suggest_each
from reviewing.verdicts import (
    Bools,
    FilterFigures,
    FunnelRow,
    Outcome,
    Sample,
    bounds_with,
    filter_figures,
    funnel,
)

GOOD_COSTS = (0.5, 1.0, 2.0, 4.0)
"""What a good document dropped may cost, in bad ones kept."""
NUM_CHANGED = 8
"""Samples of each kind of what would change."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """Documents whose fate the moved thresholds change."""

    num: float
    """Of the corpus, estimated."""
    documents: Sequence[tuple[ReviewedDocument, bool]]
    """Some of them, and whether people would drop them."""


@dataclass(frozen=True, kw_only=True)
class Results:
    """Everything that people's verdicts say."""

    good_cost: float
    sample: Sample
    num_judged: int
    """Documents that somebody judged."""
    num_undecided: int
    """Of them, those on which people are divided or unsure: they count nowhere."""
    agreement: Interval | None
    reasons: Sequence[tuple[str, int]]
    filters: Sequence[FilterFigures]
    suggestions: dict[str, Suggestion]
    """Each threshold's alone, by key."""
    moved: dict[str, Suggestion]
    """Those to move together, by key."""
    before: Outcome
    after: Outcome
    """Cross-validated."""
    funnel: Sequence[FunnelRow]
    newly_kept: Change
    newly_dropped: Change

    @property
    def bounds(self) -> dict[str, float]:
        """The moved thresholds by key."""
        return {key: each.bound for key, each in self.moved.items()}


def results_of(review: DocumentReview, good_cost: float, *, fixed: Collection[str] = ()) -> Results:
    """The figures of a review; the thresholds of the filters `fixed` stay."""
    documents = documents_judged(review)
    judged = sample(review, documents)
    moved = moved_together(judged, good_cost=good_cost, seed=review.seed, fixed=fixed)
    before, after = cross_validated(judged, good_cost=good_cost, seed=review.seed, fixed=fixed)
    dropped_D = judged.other_D | judged.hits(judged.bound_K).any(axis=1)
    bounds_K = bounds_with(judged, {key: each.bound for key, each in moved.items()})
    now_D = judged.other_D | judged.hits(bounds_K).any(axis=1)
    by_pk = {document.pk: document for document in documents}
    return Results(
        good_cost=good_cost,
        sample=judged,
        num_judged=len(documents),
        num_undecided=sum(is_bad(given(document)) is None for document in documents),
        agreement=agreement(documents),
        reasons=_reasons(documents),
        filters=filter_figures(judged),
        suggestions=suggest_each(judged, good_cost=good_cost, seed=review.seed),
        moved=moved,
        before=before,
        after=after,
        funnel=funnel(judged, bounds_K),
        newly_kept=_change(judged, dropped_D & ~now_D, by_pk),
        newly_dropped=_change(judged, ~dropped_D & now_D, by_pk),
    )


def _change(judged: Sample, changed_D: Bools, by_pk: dict[int, ReviewedDocument]) -> Change:
    places = np.flatnonzero(changed_D)
    return Change(
        num=float(judged.weight_D[places].sum()),
        documents=[
            (by_pk[int(judged.pk_D[place])], bool(judged.bad_D[place])) for place in places[:NUM_CHANGED]
        ],
    )


def _reasons(documents: Sequence[ReviewedDocument]) -> list[tuple[str, int]]:
    counts: dict[str, int] = {}
    for document in documents:
        for reading in given(document):
            if reading.verdict == Reading.Verdict.DROP:
                for reason in reading.reasons:
                    counts[reason] = counts.get(reason, 0) + 1
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))
