"""The gold win rate: how often one policy's held-out answers beat another's, by the gold preference.

Comes in: the evaluation's sampled answers (JSON lines of `SampledAnswer`) and the
world. Goes out: win rates with their 95% intervals. Each answer of one policy meets each answer of the
other to the same prompt; equal utilities count one half, so the order of a pair makes no difference:
judged both ways round, every pair gives the same figure.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from alignment.outside import AnswerToScore, OutsideScore
from alignment.records import SampledAnswer
from alignment.win_rate import paired_outcomes, win_rate
from annotation.records import read_records
from demo.gold import gold_utility
from demo.prompts import prompts_of
from demo.world import World

CANDIDATE, PREVIOUS, BASE = "candidate", "previous", "base"
"""The evaluation stage's names of its policies; the first round has no `previous` beside the base."""

UTILITY_DIGITS = 9
"""Utilities are sums of decimal fractions: the same sum in another order must be a tie."""

Utilities = Mapping[str, Mapping[str, list[float]]]
"""Gold utilities of the answers by policy and prompt id."""


def gold_win_rates(answers: Path, world: World) -> dict[str, Any]:  # Any: nested figures
    """The candidate's win rates: {"over_previous", "over_base"}, each as `win_rate` gives it.

    Raises ValueError where the answers hold no candidate or no base.
    """
    utilities = gold_utilities(read_records(answers, SampledAnswer), world)
    missing = {CANDIDATE, BASE} - set(utilities)
    if missing:
        raise ValueError(f"{answers} has no answers of {', '.join(sorted(missing))}.")
    previous = PREVIOUS if PREVIOUS in utilities else BASE
    return {
        "over_previous": policy_win_rate(utilities, CANDIDATE, previous),
        "over_base": policy_win_rate(utilities, CANDIDATE, BASE),
    }


def gold_utilities(answers: Iterable[SampledAnswer], world: World) -> Utilities:
    """What each answer is really worth. Raises KeyError for a prompt that the world does not know."""
    questions = {prompt.id: prompt.question for prompt in prompts_of(world)}
    utilities: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for answer in answers:
        utility = gold_utility(questions[answer.prompt_id], answer.content)
        utilities[answer.policy][answer.prompt_id].append(round(utility, UTILITY_DIGITS))
    return utilities


def gold_scores(answers: Iterable[AnswerToScore], world: World) -> Iterator[OutsideScore]:
    """What each answer of a finished round is really worth, for the round's page."""
    questions = {prompt.id: prompt.question for prompt in prompts_of(world)}
    for answer in answers:
        utility = gold_utility(questions[answer.prompt_id], answer.content)
        yield OutsideScore(
            prompt_id=answer.prompt_id,
            policy=answer.policy,
            sample=answer.sample,
            score=round(utility, UTILITY_DIGITS),
        )


def policy_win_rate(utilities: Utilities, policy: str, other: str) -> dict[str, Any]:  # Any: figures
    """How often `policy` beats `other`, prompt by prompt, with the interval clustered by prompt."""
    return win_rate(
        {
            prompt: paired_outcomes(ours, utilities[other][prompt])
            for prompt, ours in utilities[policy].items()
            if prompt in utilities[other]
        }
    )
