"""What an evaluation found, with an outside judge who likes the policy less than its reward model does."""

import random
from typing import Any

from alignment.accuracy import pair_accuracy
from alignment.calibration import calibration
from alignment.divergence import divergence
from alignment.length_control import length_controlled_win_rate
from alignment.outside import rate_figures
from alignment.over_optimisation import best_of_k
from annotation.records import Strength


def sample_evaluation(*, gained: float = 0.2) -> dict[str, Any]:  # Any: a stage's JSON
    """The evaluation stage's result; `gained` is how far the reward model thinks that the policy came."""
    draw = random.Random(7)
    margins = [
        (strength.value, draw.gauss(1.2 - 0.3 * place, 2))
        for place, strength in enumerate(Strength)
        for _ in range(120)
    ]
    proxy, judged = (
        {
            f"prompt-{number}": [(float(draw.random() < 0.5 + gain), draw.gauss(20, 60))]
            for number in range(200)
        }
        for gain in (gained, 0.25 - gained)
    )
    candidates = [
        [(x, -((x - 0.7) ** 2) + draw.gauss(0, 0.1)) for x in (draw.random() for _ in range(30))]
        for _ in range(60)
    ]
    moved = {f"prompt-{number}": [(draw.gauss(14, 5), draw.randint(40, 200))] for number in range(200)}
    return {
        "reward_model": pair_accuracy(margins),
        "calibration": calibration(margins),
        "mean_reward": {"candidate": 1.2, "base": 0.1},
        "mean_tokens": {"candidate": 120.0, "base": 100.0},
        "win_rate": {"base": {**rate_figures(proxy), "length_controlled": length_controlled_win_rate(proxy)}},
        "kl": {"SFT model": divergence(moved)},
        "longer_wins": None,
        "outside": [
            {
                "by": "the judge wise-1",
                "win_rate": {"base": {**rate_figures(judged), "num_flipped": 31, "num_unusable": 2}},
                "best_of_k": best_of_k(candidates),
            }
        ],
    }
