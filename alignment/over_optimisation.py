"""Best of K by a proxy reward, measured by a gold score: where choosing harder by the proxy stops helping.

Pure. Comes in: for each prompt its N answers as (proxy, gold) pairs, the proxy being the reward model that
chooses, the gold one that had no part in choosing: an outside judge, people, a known truth. Goes out: for
each K the mean proxy and gold score of the answer that the proxy picks among K.

The expectation over all subsets of K of the N answers is exact and without bias (Nakano et al. 2021,
"WebGPT", appendix I): with the answers sorted by proxy, the i-th of them is the best of a random subset with
probability C(i - 1, K - 1) / C(N, K). Choosing the best of K moves the policy by log K - (K - 1) / K nats of
KL at most (Stiennon et al. 2020, appendix G.3): the abscissa of Gao et al. 2022, "Scaling laws for reward
model overoptimization".
"""

import math
from collections.abc import Sequence
from statistics import fmean, pstdev
from typing import Any

from alignment.divergence import figure, standard_error

Scored = tuple[float, float]
"""Proxy and gold of one answer."""


def best_of_k(
    prompts: Sequence[Sequence[Scored]],
) -> dict[str, Any] | None:  # Any: nested figures, written as JSON
    """{"num_prompts", "num_answers", "points": [{"k", "kl", "proxy", "gold"}]}; None below two answers each.

    K goes by powers of two to N, the least number of answers of a prompt. `proxy` and `gold` are what the
    pick among K gains over a single answer, in standard deviations of single answers' scores, as {"value",
    "standard_error", "low", "high"} over prompts: so the two share one axis. A gold that falls while the
    proxy rises is over-optimisation. A score that is the same for all answers has no gain.
    """
    if not prompts or (most := min(map(len, prompts))) < 2:
        return None
    scores = [answer for answers in prompts for answer in answers]
    spreads = [pstdev(column) or 1.0 for column in zip(*scores, strict=True)]
    ks = sorted({2**power for power in range(most.bit_length())} | {most})
    return {
        "num_prompts": len(prompts),
        "num_answers": most,
        "points": [
            {
                "k": k,
                "kl": math.log(k) - (k - 1) / k,
                "proxy": gain(prompts, k, 0, spreads[0]),
                "gold": gain(prompts, k, 1, spreads[1]),
            }
            for k in ks
        ],
    }


def gain(prompts: Sequence[Sequence[Scored]], k: int, column: int, spread: float) -> dict[str, float | None]:
    """What the pick among `k` gains over a single answer in one column, in units of `spread`."""
    gains = [
        (expected_best(answers, k)[column] - expected_best(answers, 1)[column]) / spread
        for answers in prompts
    ]
    mean = fmean(gains)
    return figure(mean, standard_error([each - mean for each in gains]))


def expected_best(answers: Sequence[Scored], k: int) -> Scored:
    """The mean proxy and gold of the highest proxy among `k` answers drawn without replacement.

    Answers with equal proxies are picked at random. Raises ValueError unless `k` is 1 to their number.
    """
    number = len(answers)
    if not 1 <= k <= number:
        raise ValueError(f"The best of {k} cannot be estimated from {number} answers.")
    ranked = sorted(answers)
    subsets = math.comb(number, k)
    weights = [math.comb(place, k - 1) / subsets for place in range(number)]
    proxy = math.fsum(weight * each for weight, (each, _) in zip(weights, ranked, strict=True))
    gold = 0.0
    start = 0
    while start < number:
        end = start
        while end < number and ranked[end][0] == ranked[start][0]:
            end += 1
        gold += math.fsum(weights[start:end]) * fmean(each for _, each in ranked[start:end])
        start = end
    return proxy, gold
