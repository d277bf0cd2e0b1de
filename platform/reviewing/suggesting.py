"""Where one threshold should be by people's verdicts: where wrong documents cost least. Pure: numpy alone.

Of all cuts the one with the least expected cost is taken, a good document dropped counting `good_cost` times
a bad one kept (Elkan, The foundations of cost-sensitive learning, 2001). Its interval is a percentile
bootstrap over documents within strata (Efron and Tibshirani, An introduction to the bootstrap, 1993).

The cheapest of many places looks better than it is. So a threshold is worth moving only where it is cheaper
than the present one in 95% of the bootstrap samples, and where documents that had no part in choosing it
(five folds) say so, too, by a one-sided test at 5%.

Shapes as in `reviewing.cuts`; F folds.
"""

from dataclasses import dataclass

import numpy as np

from reviewing.cuts import Cuts
from reviewing.thresholds import Threshold
from reviewing.verdicts import Floats, Ints, Sample

NUM_SAMPLES, LEAST_SAMPLES = 400, 100
MOST_DRAWN = 240_000
"""Documents in all bootstrap samples together: a page waits for them."""
NUM_FOLDS = 5
SURE = 0.95
Z_ONE_SIDED = 1.6448536269514722
"""The normal distribution's one-sided 95% point."""
MIN_DOCUMENTS = 10
"""Fewer documents that a threshold decides over say nothing of it."""


@dataclass(frozen=True, kw_only=True)
class Suggestion:
    """Where one threshold should be, all others as they are."""

    threshold: Threshold
    bound: float
    low: float
    high: float
    """The 95% interval."""
    gain: float
    """What is saved, in documents of the corpus."""
    is_sure: bool
    """Whether it saves something in 95% of the bootstrap samples, and on documents that did not choose it."""
    num_documents: int
    """Judged documents that the threshold decides over."""

    @property
    def moves(self) -> bool:
        """Whether it is worth moving."""
        return self.is_sure and self.bound != self.threshold.bound


def draws(sample: Sample, seed: int) -> Ints:
    """How often each document is in each bootstrap sample, [B + 1, D]; the first is the sample itself.

    Fewer samples where there are many documents.
    """
    num = min(NUM_SAMPLES, max(LEAST_SAMPLES, MOST_DRAWN // max(1, len(sample.pk_D))))
    generator = np.random.default_rng(seed)
    counts_BD = np.zeros((num + 1, len(sample.pk_D)), dtype=np.int64)
    counts_BD[0] = 1
    for stratum in np.unique(sample.stratum_D):
        places = np.flatnonzero(sample.stratum_D == stratum)
        counts_BD[1:, places] = generator.multinomial(len(places), np.full(len(places), 1 / len(places)), num)
    return counts_BD


def suggest(
    sample: Sample, place: int, bounds_K: Floats, counts_BD: Ints, good_cost: float
) -> Suggestion | None:
    """Where the threshold of this place should be, all others at `bounds_K`.

    None where it decides over too few documents, or people say the same of all.
    """
    cuts = Cuts.of(sample, place, bounds_K)
    if cuts is None or len(cuts.bad_N) < MIN_DOCUMENTS or cuts.bad_N.all() or not cuts.bad_N.any():
        return None
    weight_N = sample.weight_D[cuts.free_D]
    cost_BM = cuts.costs(counts_BD[:, cuts.free_D] * weight_N, good_cost)
    best_B = cuts.cheapest(cost_BM)
    best = int(best_B[0])
    gain_B = cost_BM[:, cuts.present] - cost_BM[:, best]
    fold_N = folds(sample)[cuts.free_D]
    kept_FN = (fold_N != np.arange(NUM_FOLDS)[:, None]) * weight_N
    cut_F = cuts.cheapest(cuts.costs(kept_FN, good_cost))
    held_N = weight_N * cuts.gains(cut_F[fold_N], good_cost)
    low, high = (int(np.quantile(best_B[1:], q, method="nearest")) for q in (0.025, 0.975))
    interval = sorted(cuts.bound(cut) for cut in (low, high))
    return Suggestion(
        threshold=cuts.threshold,
        bound=cuts.bound(best),
        low=interval[0],
        high=interval[1],
        gain=float(gain_B[0]),
        is_sure=best != cuts.present and is_gain(gain_B[1:], held_N),
        num_documents=len(cuts.bad_N),
    )


def suggest_each(sample: Sample, *, good_cost: float, seed: int) -> dict[str, Suggestion]:
    """Each threshold's suggestion by its key, the others as they are now; of those that have one."""
    counts_BD, bounds_K = draws(sample, seed), sample.bound_K
    found = (
        suggest(sample, place, bounds_K, counts_BD, good_cost) for place in range(len(sample.thresholds))
    )
    return {each.threshold.key: each for each in found if each is not None}


def is_gain(gain_B: Floats, held_N: Floats) -> bool:
    """Whether something is gained in nearly all bootstrap samples, and on documents that chose nothing."""
    is_likely = float((gain_B > 0).mean()) >= SURE
    return is_likely and float(held_N.sum()) > Z_ONE_SIDED * float(np.sqrt((held_N**2).sum()))


def folds(sample: Sample) -> Ints:
    """Each document's fold; strata are dealt out evenly."""
    fold_D = np.zeros(len(sample.pk_D), dtype=np.int64)
    fold_D[np.lexsort((sample.pk_D, sample.stratum_D))] = np.arange(len(fold_D)) % NUM_FOLDS
    return fold_D
