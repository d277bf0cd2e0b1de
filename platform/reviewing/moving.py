"""Which thresholds to move together, and what that is worth. Pure: numpy alone.

They are moved one after another, the one that gains most first, the others then asked again. Filters overlap:
where two drop the same documents, neither gains anything alone. So where no single one is left to move,
those that drop the same documents are loosened together and tightened again one by one; such a group is moved
by the same two tests as a single threshold. What all of them gain is measured by cross-validation of the
whole, on documents that did not choose them.

Shapes as in `reviewing.verdicts`.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from reviewing.cuts import Cuts
from reviewing.suggesting import NUM_FOLDS, Suggestion, draws, folds, is_gain, suggest
from reviewing.verdicts import Bools, Floats, Ints, Outcome, Sample, bounds_with, outcome_of

MOST_GROUPS = 5
"""That are tried at once, those first that drop most documents wrongly."""
MIN_TOGETHER = 3
"""Judged documents that a group drops wrongly, and nothing else drops."""
NUM_ROUNDS = 2
"""How often the thresholds of a group are tightened."""


def moved_together(
    sample: Sample, *, good_cost: float, seed: int, fixed: Collection[str] = ()
) -> dict[str, Suggestion]:
    """The thresholds to move, by key, in the order in which they were chosen; none of the filters `fixed`.

    Each is suggested with those before it, and its group, moved.
    """
    counts_BD = draws(sample, seed)
    bounds_K, chosen = sample.bound_K, dict[str, Suggestion]()
    left = [place for place, each in enumerate(sample.thresholds) if each.filter not in fixed]
    while left:
        moves = _best_single(sample, left, bounds_K, counts_BD, good_cost)
        if not moves:
            moves = _best_group(sample, left, bounds_K, counts_BD, good_cost)
        if not moves:
            break
        for place, suggestion in moves.items():
            bounds_K[place] = suggestion.bound
            chosen[suggestion.threshold.key] = suggestion
            left.remove(place)
    return chosen


def cross_validated(
    sample: Sample, *, good_cost: float, seed: int, fixed: Collection[str] = ()
) -> tuple[Outcome, Outcome]:
    """What the present thresholds come to, and those that are moved: each document under the thresholds that
    were chosen without its fold."""
    fold_D = folds(sample)
    dropped_D = _dropped(sample, sample.bound_K)
    moved_D = dropped_D.copy()
    for fold in range(NUM_FOLDS):
        held_D = fold_D == fold
        if held_D.any() and not held_D.all():
            chosen = moved_together(sample.part(~held_D), good_cost=good_cost, seed=seed, fixed=fixed)
            bounds_K = bounds_with(sample, {key: each.bound for key, each in chosen.items()})
            moved_D[held_D] = _dropped(sample, bounds_K)[held_D]
    return outcome_of(dropped_D, sample, good_cost), outcome_of(moved_D, sample, good_cost)


def _best_single(
    sample: Sample, left: Sequence[int], bounds_K: Floats, counts_BD: Ints, good_cost: float
) -> dict[int, Suggestion]:
    """The one threshold that gains most by its place, or nothing."""
    found = [(place, suggest(sample, place, bounds_K, counts_BD, good_cost)) for place in left]
    worth = {place: each for place, each in found if each is not None and each.moves}
    return dict(sorted(worth.items(), key=lambda item: (-item[1].gain, item[0]))[:1])


def _best_group(
    sample: Sample, left: Sequence[int], bounds_K: Floats, counts_BD: Ints, good_cost: float
) -> dict[int, Suggestion]:
    """The thresholds that gain most together by their places, or nothing."""
    fold_D = folds(sample)
    dropped_D = _dropped(sample, bounds_K)
    best_gain, best_K = 0.0, bounds_K
    for group in _groups(sample, left, bounds_K):
        moved_K = _descended(sample, group, bounds_K, sample.weight_D, good_cost)
        gain_D = _gains(sample, dropped_D, _dropped(sample, moved_K), good_cost)
        if gain_D.sum() <= best_gain:
            continue
        held_D = np.zeros(len(gain_D))
        for fold in range(NUM_FOLDS):
            weight_D = sample.weight_D * (fold_D != fold)
            without_K = _descended(sample, group, bounds_K, weight_D, good_cost)
            all_D = _gains(sample, dropped_D, _dropped(sample, without_K), good_cost)
            held_D[fold_D == fold] = all_D[fold_D == fold]
        if is_gain(counts_BD[1:] @ gain_D, held_D):
            best_gain, best_K = float(gain_D.sum()), moved_K
    moves = {}
    for place in np.flatnonzero(best_K != bounds_K).tolist():
        threshold, bound = sample.thresholds[place], float(best_K[place])
        alone = suggest(sample, place, best_K, counts_BD, good_cost)
        if alone is None:
            alone = Suggestion(
                threshold=threshold,
                bound=bound,
                low=bound,
                high=bound,
                gain=0.0,
                is_sure=True,
                num_documents=0,
            )
        moves[place] = replace(alone, bound=bound, is_sure=True)
    return moves


def _groups(sample: Sample, left: Sequence[int], bounds_K: Floats) -> list[tuple[int, ...]]:
    """The sets of two and more thresholds that drop good documents, and nothing else does; the most first."""
    hit_DK = sample.hits(bounds_K)
    weight, num = defaultdict[tuple[int, ...], float](float), Counter[tuple[int, ...]]()
    for place in np.flatnonzero(~sample.other_D & ~sample.bad_D & (hit_DK.sum(axis=1) > 1)):
        group = tuple(np.flatnonzero(hit_DK[place]).tolist())
        if set(group) <= set(left):
            weight[group] += float(sample.weight_D[place])
            num[group] += 1
    found = sorted(weight, key=lambda group: (-weight[group], group))
    return [group for group in found if num[group] >= MIN_TOGETHER][:MOST_GROUPS]


def _descended(
    sample: Sample, group: Sequence[int], bounds_K: Floats, weight_D: Floats, good_cost: float
) -> Floats:
    """The bounds with those of the group loosened until they drop nothing, then tightened one by one."""
    moved_K = bounds_K.copy()
    for place in group:
        sign, value_D = sample.thresholds[place].sign, sample.value_DK[:, place]
        moved_K[place] = sign * max(sign * bounds_K[place], float(np.nanmax(sign * value_D)))
    for _ in range(NUM_ROUNDS):
        for place in group:
            cuts = Cuts.of(sample, place, moved_K)
            if cuts is not None:
                cost_1M = cuts.costs(weight_D[None, cuts.free_D], good_cost)
                moved_K[place] = cuts.bound(int(cuts.cheapest(cost_1M)[0]))
    return moved_K


def _dropped(sample: Sample, bounds_K: Floats) -> Bools:
    return np.asarray(sample.other_D | sample.hits(bounds_K).any(axis=1))


def _gains(sample: Sample, dropped_D: Bools, moved_D: Bools, good_cost: float) -> Floats:
    """What each document saves, in documents of the corpus."""
    cost_D = np.where(sample.bad_D, -1.0, good_cost)
    return np.asarray(sample.weight_D * cost_D * (dropped_D * 1.0 - moved_D))
