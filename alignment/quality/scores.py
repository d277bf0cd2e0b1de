"""Quality by score: the top quarter by reward, or the judge's best.

Pure. Reward models and judges disagree often, and the union of their choices finds most of the good answers
(The Llama 3 Herd of Models, section 4.2.3, "Quality scoring").
"""

import math
from collections.abc import Mapping, Sequence
from statistics import fmean

from alignment.quality.funnel import Dropped, dropped
from alignment.quality.recipe import QualityRecipe
from alignment.records import SftExample


def choose_by_score(
    examples: Sequence[SftExample],
    rewards: Mapping[str, float],
    judged: Mapping[str, float],
    recipe: QualityRecipe,
) -> tuple[list[SftExample], list[Dropped]]:
    """Keep examples in the top share of `rewards`, or to which the judge gave full marks.

    `rewards` and `judged` (0 to 1) are by example id. Examples without a reward, people's own writing, are
    kept.
    """
    top = top_by_reward(examples, rewards, recipe)
    kept: list[SftExample] = []
    left_out: list[Dropped] = []
    for example in examples:
        if example.id not in rewards or example.id in top or judged.get(example.id) == 1.0:
            kept.append(example)
            continue
        reason = "not among the highest rewards"
        if example.id in judged:
            reason += " nor the judge's best"
        left_out.append(dropped(example, reason, f"reward {rewards[example.id]:.3f}"))
    return kept, left_out


def top_by_reward(
    examples: Sequence[SftExample], rewards: Mapping[str, float], recipe: QualityRecipe
) -> set[str]:
    """The ids of the examples with the highest rewards, the first of equals first."""
    scored = [example.id for example in examples if example.id in rewards]
    num_kept = max(math.ceil(recipe.top_reward_share * len(scored) - 1e-9), recipe.min_examples)
    return set(sorted(scored, key=lambda name: -rewards[name])[:num_kept])


def reward_ranks(examples: Sequence[SftExample], rewards: Mapping[str, float]) -> dict[str, float]:
    """The part of the rewards that each example's is at least as high as, above 0 and up to 1."""
    ordered = sorted(rewards[example.id] for example in examples if example.id in rewards)
    last = {reward: (place + 1) / len(ordered) for place, reward in enumerate(ordered)}
    return {example.id: last[rewards[example.id]] for example in examples if example.id in rewards}


def priorities(
    examples: Sequence[SftExample],
    rewards: Mapping[str, float],
    judged: Mapping[str, float],
    difficulty: Mapping[str, float],
) -> list[float]:
    """Quality times difficulty of each example: of those that are alike, the highest is kept.

    Quality is the better of the reward's rank and the judge's score, 1 for people's own writing. `judged` and
    `difficulty`, both 0 to 1, are by example id; an example without a difficulty has the mean of the others,
    1 where there are none.
    """
    ranks = reward_ranks(examples, rewards)
    usual = fmean(difficulty.values()) if difficulty else 1.0
    return [
        max(ranks.get(example.id, 1.0), judged.get(example.id, 0.0)) * difficulty.get(example.id, usual)
        for example in examples
    ]
