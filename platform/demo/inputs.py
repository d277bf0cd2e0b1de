"""Writes what the demo hands to Accord: a corpus for the base and prompts for people.

The dialogs of the corpus ask training prompts alone; held-out prompts appear nowhere but in their file.
"""

import json
from pathlib import Path

from demo.corpus import write_corpus
from demo.prompts import import_row, prompts_of
from demo.settings import DemoSettings
from demo.world import World, world_of

CORPUS = "corpus"
PROMPTS = "prompts.jsonl"


def write_inputs(folder: Path, *, seed: int, settings: DemoSettings) -> World:
    """Write `corpus/` and `prompts.jsonl` into `folder`; the world they speak of."""
    world = world_of(seed, settings.num_names)
    prompts = prompts_of(world)
    questions = [prompt.question for prompt in prompts if prompt.split == "train"]
    write_corpus(folder / CORPUS, world, questions, settings.num_documents, settings.num_dialogs)
    with (folder / PROMPTS).open("w", encoding="utf-8") as out:
        for prompt in prompts:
            out.write(json.dumps(import_row(prompt)) + "\n")
    return world
