"""The demo's prompts: every question of the small world, split into training and held-out ones.

Comes in: a world. Goes out: prompts with ids, the same for the same world, as rows for `import_prompts`.
A held-out prompt asks what no training prompt and no dialog of the corpus asks in this form, though the
documents and other prompts tell what is needed to answer it.
"""

import random
from collections import defaultdict
from dataclasses import dataclass
from typing import Any, Literal

from demo.questions import Question, questions_of
from demo.world import World

HOLDOUT_FRACTION = 0.25
LANGUAGE = "en"


@dataclass(frozen=True, kw_only=True)
class WorldPrompt:
    """One question as a prompt."""

    id: str
    split: Literal["train", "holdout"]
    question: Question


def prompts_of(world: World) -> list[WorldPrompt]:
    """All prompts of `world` in random order: of each domain a quarter is held out."""
    draw = random.Random(f"prompts {world.seed}")
    by_domain: dict[str, list[Question]] = defaultdict(list)
    for question in questions_of(world):
        by_domain[question.domain].append(question)
    prompts: list[WorldPrompt] = []
    for domain, questions in by_domain.items():
        draw.shuffle(questions)
        num_holdout = round(len(questions) * HOLDOUT_FRACTION)
        for number, question in enumerate(questions):
            split: Literal["train", "holdout"] = "holdout" if number < num_holdout else "train"
            prompts.append(WorldPrompt(id=f"{domain}-{number:04d}", split=split, question=question))
    draw.shuffle(prompts)
    return prompts


def import_row(prompt: WorldPrompt) -> dict[str, Any]:  # Any: JSON
    """The prompt as a row of the file that `import_prompts` reads."""
    return {
        "id": prompt.id,
        "domain": prompt.question.domain,
        "language": LANGUAGE,
        "context": [{"role": "user", "content": prompt.question.text}],
        "split": prompt.split,
    }
