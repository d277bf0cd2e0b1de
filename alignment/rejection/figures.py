"""The figures of rejection sampling: what more answers gained and what a chosen one cost, by domain as well.

Pure. Comes in: CandidateSets and the seconds they took. Goes out: a program's result, JSON:
{"num_prompts", "num_chosen": prompts with a best answer, "num_refused": {reason: answers}, "num_finished":
{how: answers}, "num_tokens": drawn, "seconds": of sampling and scoring, over all workers, "mean_reward",
"mean_best_reward", "reward_by_k": {k: mean reward of the best of the first k}, "share_above_median": the
share of prompts whose best answer is above their median} over all prompts, the same for each domain in
"domains", and how many prompts were asked of each of "policies" and with each of "system_prompts".

Refused answers count as tokens and as refused, and in no reward: these are of answers that could be chosen.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from statistics import fmean, median
from typing import Any

from alignment.records import Candidate, CandidateSet

Figures = dict[str, Any]  # Any: JSON


def figures(found: Sequence[CandidateSet], seconds: Mapping[str, float]) -> Figures:
    """The figures of all that was found; `seconds` are given by domain."""
    by_domain: defaultdict[str, list[CandidateSet]] = defaultdict(list)
    for each in found:
        by_domain[each.prompt.domain].append(each)
    return {
        **summary(found, sum(seconds.values())),
        "domains": {
            domain: summary(sets, seconds.get(domain, 0.0)) for domain, sets in sorted(by_domain.items())
        },
        "policies": dict(Counter(each.policy for each in found)),
        "system_prompts": dict(Counter(each.system_prompt for each in found if each.system_prompt)),
    }


def summary(found: Sequence[CandidateSet], seconds: float) -> Figures:
    """The figures of some prompts; rewards are None where no answer could be chosen."""
    candidates = [candidate for each in found for candidate in each.candidates]
    rewards = [row for each in found if (row := choosable_rewards(each))]
    most = max((len(each.candidates) for each in found), default=0)
    ks = sorted({*(2**power for power in range(most.bit_length())), most} - {0})
    return {
        "num_prompts": len(found),
        "num_chosen": len(rewards),
        "num_refused": dict(Counter(each.refused for each in candidates if each.refused)),
        "num_finished": dict(Counter(each.finish for each in candidates)),
        "num_tokens": sum(candidate.num_tokens for candidate in candidates),
        "seconds": round(seconds, 3),
        "mean_reward": fmean(reward for row in rewards for reward in row) if rewards else None,
        "mean_best_reward": fmean(max(row) for row in rewards) if rewards else None,
        "reward_by_k": {str(k): fmean(max(row[:k]) for row in rewards) for k in ks} if rewards else {},
        "share_above_median": fmean(max(row) > median(row) for row in rewards) if rewards else None,
    }


def choosable_rewards(found: CandidateSet) -> list[float]:
    """The rewards of the answers that may be chosen, in the order in which they were drawn."""
    return [rewarded(candidate) for candidate in found.candidates if candidate.refused is None]


def rewarded(candidate: Candidate) -> float:
    """The reward of a candidate that has one."""
    assert candidate.reward is not None, candidate
    return candidate.reward


def seconds_by_domain(timed: Sequence[tuple[float, Sequence[CandidateSet]]]) -> dict[str, float]:
    """The seconds of batches, each shared out between the domains of its prompts by the tokens drawn."""
    seconds: defaultdict[str, float] = defaultdict(float)
    for spent, sets in timed:
        tokens = {id(each): sum(candidate.num_tokens for candidate in each.candidates) for each in sets}
        total = sum(tokens.values())
        for each in sets:
            seconds[each.prompt.domain] += spent * tokens[id(each)] / max(total, 1)
    return dict(seconds)
