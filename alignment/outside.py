"""What somebody outside of the round says of its answers: win rates and best-of-K, beside the proxy's.

Pure. The round's own reward model picked the data and was trained against, so its opinion is a proxy. Comes
in: an outside judge's verdicts on pairs, or anybody's scores of single answers. Goes out: an outside report,
one of the list that the evaluation keeps as "outside". Nothing of it is ever read by training: only by the
gate and by people.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from alignment.length_control import length_controlled_win_rate
from alignment.over_optimisation import best_of_k
from alignment.pairwise import AnswerPair, Verdict, has_flipped, pair_outcome, pair_verdicts
from alignment.records import CandidateSet, SampledAnswer
from alignment.win_rate import outcome, win_rate
from annotation.records import Message, Record

Report = dict[str, Any]  # Any: figures, written as JSON

SAMPLED = "rejection_sampling"
"""The name under which the K candidates of a prompt are scored, `sample` being the place among them."""


class AnswerToScore(Record):
    """One answer as somebody outside gets it to score."""

    prompt_id: str
    policy: str
    sample: int
    context: tuple[Message, ...]
    content: str


class OutsideScore(Record):
    """What somebody outside gave one answer."""

    prompt_id: str
    policy: str
    """As in the evaluation's answers, or "rejection_sampling" for one of the K candidates of a prompt."""
    sample: int = Field(ge=0)
    score: float = Field(allow_inf_nan=False)
    """More is better; only the differences between answers matter."""


ScoreKey = tuple[str, str, int]
"""Policy, prompt id and sample."""


def judged_win_rates(pairs: Sequence[AnswerPair], found: Mapping[str, Verdict]) -> Report:
    """Win rates by a judge that saw each pair in both orders, by the other policy's name.

    As `win_rate` gives them, with "length_controlled", "num_flipped" (pairs whose verdict turned with the
    order) and "num_unusable" (pairs without both verdicts). Equal answers are ties. A policy without a usable
    pair is left out.
    """
    rates: Report = {}
    for other in dict.fromkeys(pair.other for pair in pairs):
        comparisons: dict[str, list[tuple[float, float]]] = {}
        num_flipped = num_unusable = 0
        for pair in pairs:
            if pair.other != other:
                continue
            won = 0.5
            if pair.candidate_answer != pair.other_answer:
                verdicts = pair_verdicts(pair, found)
                if verdicts is None:
                    num_unusable += 1
                    continue
                won = pair_outcome(verdicts)
                num_flipped += has_flipped(verdicts)
            comparisons.setdefault(pair.prompt_id, []).append((won, pair.longer_by))
        if comparisons:
            rates[other] = {
                **rate_figures(comparisons),
                "num_flipped": num_flipped,
                "num_unusable": num_unusable,
            }
    return rates


def scored_win_rates(answers: Sequence[SampledAnswer], scores: Mapping[ScoreKey, float]) -> Report:
    """Win rates of the first policy by single answers' scores: each of its answers against each other's.

    Answers without a score are passed over.
    """
    by_policy: dict[str, dict[str, list[tuple[float, SampledAnswer]]]] = {}
    for answer in answers:
        score = scores.get((answer.policy, answer.prompt_id, answer.sample))
        if score is not None:
            rows = by_policy.setdefault(answer.policy, {}).setdefault(answer.prompt_id, [])
            rows.append((score, answer))
    first = answers[0].policy if answers else ""
    rates: Report = {}
    for other, its_prompts in by_policy.items():
        comparisons = {
            prompt: [
                (outcome(mine, its), float(len(my_answer.content) - len(its_answer.content)))
                for mine, my_answer in found
                for its, its_answer in its_prompts[prompt]
            ]
            for prompt, found in by_policy.get(first, {}).items()
            if prompt in its_prompts
        }
        if other != first and comparisons:
            rates[other] = rate_figures(comparisons)
    return rates


def scored_best_of_k(sets: Sequence[CandidateSet], scores: Mapping[ScoreKey, float]) -> Report | None:
    """Best of K by the reward, measured by `scores`; prompts of which an answer has no score are left out."""
    prompts = []
    for each in sets:
        rewarded = [
            (candidate.reward, scores.get((SAMPLED, each.prompt.id, place)))
            for place, candidate in enumerate(each.candidates)
        ]
        prompt = [(proxy, gold) for proxy, gold in rewarded if proxy is not None and gold is not None]
        if len(prompt) == len(rewarded):
            prompts.append(prompt)
    return best_of_k(prompts)


def rate_figures(comparisons: Mapping[str, Sequence[tuple[float, float]]]) -> Report:
    """The win rate of (outcome, longer by) comparisons by prompt, plain and at equal lengths."""
    outcomes = {prompt: [won for won, _ in rows] for prompt, rows in comparisons.items()}
    return {**win_rate(outcomes), "length_controlled": length_controlled_win_rate(comparisons)}
