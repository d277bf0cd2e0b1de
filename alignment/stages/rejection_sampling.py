"""Rejection sampling: K answers a prompt from the best earlier policy; the reward model picks."""

import random

from alignment.models import Round, Stage
from alignment.programs import RejectionConfig
from alignment.records import PromptRecord
from alignment.stages.definition import StageResult
from alignment.stages.plan import (
    SAMPLING,
    checkpoint_path,
    earlier_rounds,
    program_add,
    recipe_of,
    stage_checkpoint,
    stage_folder,
)
from alignment.stages.snapshot import TRAIN_PROMPTS, snapshot_file
from annotation.records import read_records, write_records
from registry.models import Checkpoint

CANDIDATES = "candidates.jsonl"
PROGRAM = "sampling"


def start(stage: Stage) -> None:
    """Draw the prompts by the round's number and plan the one program."""
    recipe = recipe_of(stage.round)
    prompts = list(read_records(snapshot_file(stage, TRAIN_PROMPTS), PromptRecord))
    chosen = random.Random(stage.round.number).sample(
        prompts, min(recipe.rejection.num_prompts, len(prompts))
    )
    folder = stage_folder(stage)
    write_records(folder / "prompts.jsonl", chosen)
    config = RejectionConfig(
        policy=checkpoint_path(best_earlier_policy(stage.round)),
        reward_model=checkpoint_path(stage_checkpoint(stage.round, Stage.Name.REWARD_MODEL, "average")),
        prompts=folder / "prompts.jsonl",
        num_candidates=recipe.rejection.num_candidates,
        sampling=recipe.rejection.sampling,
        engine=recipe.engine,
        out=folder / CANDIDATES,
    )
    program_add(
        stage,
        PROGRAM,
        "alignment.sampling.rejection",
        config,
        queue=SAMPLING,
        num_threads=recipe.engine.num_threads,
    )


def best_earlier_policy(round_: Round) -> Checkpoint:
    """The averaged policy of the project's newest finished round, else the base."""
    earlier = earlier_rounds(round_).first()
    return round_.base if earlier is None else stage_checkpoint(earlier, Stage.Name.AVERAGING, "average")


def finish(stage: Stage) -> StageResult:
    """The program's figures."""
    return {**stage.programs.get(name=PROGRAM).result, "policy": best_earlier_policy(stage.round).name}
