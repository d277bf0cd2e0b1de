"""The figures of a review as its pages show them: rows of tables, tiles, diagrams, words."""

from dataclasses import dataclass

import numpy as np
from django.utils.translation import gettext as _

from pretrain.plots import Axis, Line, Plot, Point, fitted_axis, plot
from reviewing.models import Reading, ReviewedDocument
from reviewing.reasons import REASONS
from reviewing.results import Results
from reviewing.suggesting import Suggestion
from reviewing.thresholds import Threshold
from reviewing.verdicts import Bools, Floats, Sample, weighted_share

NUM_BINS = 6
MOST_PLOTS = 6
TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)
FAR = 1.0
"""A bound that lies further outside of the values than their range is wide is not drawn."""


@dataclass(frozen=True, kw_only=True)
class ThresholdRow:
    """One threshold with what people's verdicts say of it."""

    threshold: Threshold
    suggestion: Suggestion | None
    """Where it should be: with the others moved, where it is among those to move."""
    moves: bool
    plot: Plot | None


@dataclass(frozen=True, kw_only=True)
class DroppedBy:
    """One filter that dropped a document."""

    name: str
    reason: str
    value: float | None


def shown_results(results: Results) -> dict[str, object]:
    """The context of the results page."""
    rows = []
    for place, threshold in enumerate(results.sample.thresholds):
        alone, moved = results.suggestions.get(threshold.key), results.moved.get(threshold.key)
        if alone is not None or moved is not None:
            suggestion = moved or alone
            assert suggestion is not None
            drawn = threshold_plot(results.sample, place, suggestion if moved else None)
            rows.append(
                ThresholdRow(threshold=threshold, suggestion=suggestion, moves=moved is not None, plot=drawn)
            )
    rows.sort(key=lambda row: (not row.moves, -(row.suggestion.gain if row.suggestion else 0.0)))
    words = dict(REASONS)
    return {
        "results": results,
        "rows": rows,
        "plots": [row for row in rows if row.plot is not None][:MOST_PLOTS],
        "reasons": [(words.get(value, value), number) for value, number in results.reasons],
        "outcomes": [(_("Now"), results.before), (_("With the suggested thresholds"), results.after)],
        "uncovered": results.sample.num_documents - results.sample.num_covered,
        "covered": results.sample.num_covered / max(1, results.sample.num_documents),
        "changes": [
            (_("Would be kept"), results.newly_kept),
            (_("Would be dropped"), results.newly_dropped),
        ],
    }


def shown_latest(reading: Reading | None) -> dict[str, object]:
    """What the reading page says of a person's latest verdict; the filters' words once they asked."""
    if reading is None:
        return {}
    shown: dict[str, object] = {"latest": reading}
    if reading.revealed_at is not None:
        shown["dropped_by"] = dropped_by(reading.document)
    return shown


def dropped_by(document: ReviewedDocument) -> list[DroppedBy]:
    """The filters that dropped it."""
    return [
        DroppedBy(name=name, reason=verdict["reason"], value=verdict["value"])
        for name, verdict in document.verdicts.items()
        if not verdict["kept"]
    ]


def threshold_plot(sample: Sample, place: int, moved: Suggestion | None) -> Plot | None:
    """How many documents people would drop over what the filter measures, among those that no other filter
    drops; None where too little varies to draw."""
    threshold = sample.thresholds[place]
    hit_DK = sample.hits(sample.bound_K)
    hit_DK[:, place] = False
    value_D = sample.value_DK[:, place]
    free_D = ~(sample.other_D | hit_DK.any(axis=1)) & ~np.isnan(value_D)
    if free_D.sum() < NUM_BINS or np.ptp(value_D[free_D]) == 0:
        return None
    low, high = np.quantile(value_D[free_D], (0.02, 0.98))
    if low == high:
        low, high = float(value_D[free_D].min()), float(value_D[free_D].max())
    points = _points(value_D[free_D], sample.bad_D[free_D], sample.weight_D[free_D])
    bounds = [(_("threshold now"), 6, threshold.bound)]
    if moved is not None:
        bounds.append((_("suggested"), 2, moved.bound))
    width = float(high - low)
    near = [bound for bound in bounds if low - FAR * width <= bound[2] <= high + FAR * width]
    x_axis = fitted_axis(
        threshold.filter, [float(low), float(high), *(bound for _name, _series, bound in near)]
    )
    lines = [Line(name=_("people would drop"), series=1, points=points)]
    lines += [
        Line(
            name=name,
            series=series,
            points=[Point(x=bound, y=0.0), Point(x=bound, y=1.0)],
            dotted=False,
        )
        for name, series, bound in near
    ]
    return plot(
        _("What people would drop, by %(filter)s") % {"filter": threshold.filter},
        lines,
        x_axis,
        Axis(label=_("Share that people would drop"), limits=(0.0, 1.0), ticks=TICKS, percent=True),
    )


def _points(value_D: Floats, bad_D: Bools, weight_D: Floats) -> list[Point]:
    """The share in bins of equally many judged documents, at their middle values."""
    order = np.argsort(value_D, kind="stable")
    points = []
    for places in np.array_split(order, NUM_BINS):
        share = weighted_share(bad_D[places], weight_D[places])
        if share is not None:
            points.append(
                Point(x=float(np.median(value_D[places])), y=share.value, low=share.low, high=share.high)
            )
    return points
